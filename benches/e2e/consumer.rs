//! A consumer on the broker that says yes to everything at once: what is behind the gateway.

use rumqttc::{Event, Incoming, PublishOptions, PublishProperties, QoS};
use serde_json::{Value, json};

use super::{device, load};

/// Its identity.
pub const ID: &str = "fw-1";

/// Answers until the connection is gone.
#[tokio::main(flavor = "current_thread")]
pub async fn run(port: u16) -> anyhow::Result<()> {
    let (client, mut event_loop) = load::connection(ID, port, device::WAITING);
    client.subscribe(format!("oc2/cmd/device/{ID}"), QoS::AtLeastOnce).await?;
    let properties = PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/openc2".to_owned()),
        user_properties: vec![
            ("msgType".to_owned(), "rsp".to_owned()),
            ("encoding".to_owned(), "json".to_owned()),
        ],
        ..PublishProperties::default()
    };
    let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
    loop {
        match event_loop.poll().await? {
            Event::Incoming(Incoming::SubAck(_)) => println!("ready: a consumer"),
            Event::Incoming(Incoming::Publish(command)) => {
                let command: Value = serde_json::from_slice(&command.payload)?;
                let headers = &command["headers"];
                let producer = headers["from"].as_str().unwrap_or_default();
                let response = json!({
                    "headers": {
                        "request_id": headers["request_id"],
                        "created": headers["created"],
                        "from": ID,
                        "to": [producer],
                    },
                    "body": { "openc2": { "response": { "status": 200 } } },
                });
                let topic = format!("oc2/rsp/{producer}");
                client.try_publish(topic, response.to_string(), options.clone())?;
            }
            _ => {}
        }
    }
}
