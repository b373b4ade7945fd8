//! The floor: the cheapest thing that could stand where the bridge stands.
//!
//! A bare echo on the bridge's own MQTT library. It acknowledges each command by hand and answers it
//! with the same 250 bytes, under the properties that an OpenC2 response must have, so that broker and load
//! have the same work with it as with the bridge. It parses nothing, writes nothing and remembers
//! nothing, on one thread. It uses nothing else of this repository, and every setting here is the
//! fastest of those tried. Once figures are published it is not changed.

use rumqttc::{
    AckMode, AsyncClient, Broker, Event, Incoming, MqttOptions, NetworkOptions, PublishOptions,
    PublishProperties, QoS,
};

const COMMANDS: &str = "oc2/cmd/device/gateway-1";
const RESPONSES: &str = "oc2/rsp/load";

/// 250 bytes, the same for every command.
const RESPONSE: &[u8] = br#"{"headers":{"request_id":"whichever-it-was","created":1795466039961,"from":"gateway-1","to":["load"]},"body":{"openc2":{"response":{"status":200,"status_text":"this is the floor: nothing was read, judged, written down or done, it is an echo"}}}}     "#;
const _: () = assert!(RESPONSE.len() == 250);

/// More than are ever on their way, and no more: the library looks at each place at every flush.
const IN_FLIGHT: u16 = 300;

/// Answers until the connection is gone.
#[tokio::main(flavor = "current_thread")]
pub async fn run(port: u16) -> anyhow::Result<()> {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new("floor", Broker::tcp("127.0.0.1", port));
    options
        .set_network_options(network)
        .set_clean_start(true)
        .set_keep_alive(60)
        .set_receive_maximum(Some(u16::MAX))
        .set_ack_mode(AckMode::Manual)
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_max_request_batch(128)
        .set_read_batch_size(128);
    let (client, mut event_loop) = AsyncClient::builder(options).capacity(4096).build();
    client.subscribe(COMMANDS, QoS::AtLeastOnce).await?;

    let properties = PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/openc2".to_owned()),
        user_properties: vec![
            ("msgType".to_owned(), "rsp".to_owned()),
            ("encoding".to_owned(), "json".to_owned()),
        ],
        ..PublishProperties::default()
    };
    let response = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
    loop {
        match event_loop.poll().await? {
            Event::Incoming(Incoming::SubAck(_)) => println!("ready: an echo"),
            Event::Incoming(Incoming::Publish(command)) => {
                client.try_ack(&command)?;
                client.try_publish(RESPONSES, RESPONSE, response.clone())?;
            }
            _ => {}
        }
    }
}
