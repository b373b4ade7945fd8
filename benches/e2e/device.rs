//! A simulated device: a Shelly switch that answers every call at once.

use rumqttc::{Event, Incoming, PublishOptions, QoS};
use serde_json::{Value, json};

use super::load;

/// Its MQTT prefix.
pub const PREFIX: &str = "bench-switch";

/// Replies that may wait for the connection.
pub const WAITING: usize = 4096;

/// Serves calls until the connection is gone.
#[tokio::main(flavor = "current_thread")]
pub async fn run(port: u16) -> anyhow::Result<()> {
    let (client, mut event_loop) = load::connection(PREFIX, port, WAITING);
    let online = PublishOptions::new(QoS::AtLeastOnce).retained();
    client.publish(format!("{PREFIX}/online"), "true", online).await?;
    client.subscribe(format!("{PREFIX}/rpc"), QoS::AtLeastOnce).await?;
    loop {
        match event_loop.poll().await? {
            Event::Incoming(Incoming::SubAck(_)) => println!("ready: a switch"),
            Event::Incoming(Incoming::Publish(call)) => {
                let call: Value = serde_json::from_slice(&call.payload)?;
                let src = call["src"].as_str().unwrap_or_default();
                let reply = json!({
                    "id": call["id"], "src": PREFIX, "dst": src, "result": { "was_on": false },
                });
                let options = PublishOptions::new(QoS::AtLeastOnce);
                client.try_publish(format!("{src}/rpc"), reply.to_string(), options)?;
            }
            _ => {}
        }
    }
}
