//! A consumer on the broker that says yes to everything at once: what is behind the gateway.

use rumqttc::{
    AsyncClient, Broker, Event, Incoming, MqttOptions, NetworkOptions, PublishOptions,
    PublishProperties, QoS,
};
use serde_json::{Value, json};

/// Its identity.
pub const ID: &str = "fw-1";

/// Answers until the connection is gone.
#[tokio::main(flavor = "current_thread")]
pub async fn run(port: u16) -> anyhow::Result<()> {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(ID, Broker::tcp("127.0.0.1", port));
    options
        .set_network_options(network)
        .set_clean_start(true)
        .set_keep_alive(60)
        .set_receive_maximum(Some(u16::MAX))
        .set_outgoing_inflight_upper_limit(300)
        .set_max_request_batch(128)
        .set_read_batch_size(128);
    let (client, mut event_loop) = AsyncClient::builder(options).capacity(4096).build();
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
