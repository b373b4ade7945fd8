//! A simulated device: a Shelly switch that answers every call at once.

use rumqttc::{
    AsyncClient, Broker, Event, EventLoop, Incoming, MqttOptions, NetworkOptions, PublishOptions,
    QoS,
};
use serde_json::{Value, json};

/// Its MQTT prefix.
pub const PREFIX: &str = "bench-switch";

/// Serves calls until the connection is gone.
#[tokio::main(flavor = "current_thread")]
pub async fn run(port: u16) -> anyhow::Result<()> {
    let (client, mut event_loop) = connection(PREFIX, port);
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

/// A connection to the broker by this name, with what makes it fast.
pub fn connection(name: &str, port: u16) -> (AsyncClient, EventLoop) {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(name, Broker::tcp("127.0.0.1", port));
    options
        .set_network_options(network)
        .set_clean_start(true)
        .set_keep_alive(60)
        .set_receive_maximum(Some(u16::MAX))
        .set_outgoing_inflight_upper_limit(300)
        .set_max_request_batch(128)
        .set_read_batch_size(128);
    AsyncClient::builder(options).capacity(4096).build()
}
