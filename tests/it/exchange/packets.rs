//! The bridge's own packets, as a proxy between it and the broker sees them.

use serde_json::json;

use super::{anybody, topics};
use crate::support::broker::broker;
use crate::support::packet::{Packet, Publish, Value, id};
use crate::support::probe::install;
use crate::support::proxy::Proxy;
use crate::support::scene::{Scene, letter, query_features, well_formed};

async fn behind_a_proxy(test: &str) -> Option<(Proxy, Scene)> {
    let broker = broker(test)?;
    let proxy = Proxy::start(broker.port()).await;
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let mut scene = Scene::beside(broker, &url, "gateway-1", "", &topics()).await;
    let _gate = install(&scene);
    scene.bridge.run();
    Some((proxy, scene))
}

/// MQTT-3.2-1, MQTT-3.2-2, MQTT-3.2-3, MQTT-3.2-4, MQTT-3.2-5, MQTT-3.2-6, MQTT-3.2-7, MQTT-3.2-10.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_leaves_as_the_transfer_specification_wants() {
    let test = "a_response_leaves_as_the_transfer_specification_wants";
    let Some((proxy, mut scene)) = behind_a_proxy(test).await else { return };

    let elsewhere = (id::RESPONSE_TOPIC, Value::Text("answers/here".to_owned()));
    let mut command = well_formed(&letter("good", &anybody("work")));
    command.properties.push(elsewhere);
    scene.post(1, "device/gateway-1", command).await;
    scene.answered("good", 200).await;
    let mut unknown = letter("bad", &query_features(&json!([])));
    unknown["body"]["openc2"]["request"]["action"] = json!("zap");
    unknown["headers"]["from"] = json!("a/b");
    scene.send("device/gateway-1", &unknown).await;
    scene.answered("bad", 400).await;
    scene.settled().await;

    let published = proxy.sent(|packet| match packet {
        Packet::Publish(publish) => Some(publish.clone()),
        _ => None,
    });
    let prefix = &scene.prefix;
    let topics: Vec<_> = published.iter().map(|publish| publish.topic.clone()).collect();
    assert_eq!(topics, [format!("{prefix}/rsp/soar-1"), format!("{prefix}/rsp")]);
    for Publish { dup, qos, retain, properties, payload, .. } in &published {
        assert_eq!((*dup, *qos, *retain), (false, 1, false));
        let mut properties = properties.clone();
        properties.sort_by_key(|(which, value)| (*which, format!("{value:?}")));
        let pair = |name: &str, value: &str| {
            (id::USER_PROPERTY, Value::Pair(name.to_owned(), value.to_owned()))
        };
        let expected = [
            (id::PAYLOAD_FORMAT, Value::Byte(1)),
            (id::CONTENT_TYPE, Value::Text("application/openc2".to_owned())),
            pair("encoding", "json"),
            pair("msgType", "rsp"),
        ];
        assert_eq!(properties, expected, "these, and no others");
        let message: serde_json::Value = serde_json::from_slice(payload).unwrap();
        assert!(message["body"]["openc2"]["response"].is_object(), "{message}");
    }
}

/// MQTT-3.2-1: a command with `QoS` 2 is handled with its full handshake, and acts once.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_qos_2_has_its_full_handshake() {
    let test = "a_command_with_qos_2_has_its_full_handshake";
    let Some((proxy, mut scene)) = behind_a_proxy(test).await else { return };

    let command = well_formed(&letter("twice-as-sure", &anybody("work")));
    scene.post(1, "device/gateway-1", Publish { qos: 2, ..command }).await;
    scene.answered("twice-as-sure", 200).await;

    let arrived = proxy
        .first("the command", |seen| {
            !seen.is_up && matches!(&seen.packet, Packet::Publish(it) if it.qos == 2)
        })
        .await;
    let Packet::Publish(Publish { packet, .. }) = arrived.packet else { unreachable!() };
    let done = Packet::PubComp { packet, reason: 0 };
    proxy.first("PUBCOMP", |seen| seen.is_up && seen.packet == done).await;
    let handshake: Vec<_> = proxy
        .seen()
        .into_iter()
        .filter(|seen| match &seen.packet {
            Packet::Publish(publish) => !seen.is_up && publish.packet == packet,
            Packet::PubRec { packet: of, .. }
            | Packet::PubRel { packet: of, .. }
            | Packet::PubComp { packet: of, .. } => *of == packet,
            _ => false,
        })
        .map(|seen| seen.packet)
        .collect();
    let [Packet::Publish(_), received, released, completed] = &handshake[..] else {
        panic!("{handshake:?}")
    };
    assert_eq!(*received, Packet::PubRec { packet, reason: 0 });
    assert_eq!(*released, Packet::PubRel { packet, reason: 0 });
    assert_eq!(*completed, done);
    assert_eq!(scene.settled().await["answered"], 1);
}
