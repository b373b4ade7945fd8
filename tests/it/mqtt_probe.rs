//! What `oc2 check --broker` finds out, from a broker that grants less than it is asked for.

use std::time::Duration;

use openc2_bridge::mqtt::door::CommandTopics;
use openc2_bridge::mqtt::topics::{TopicLevel, TopicPrefix};
use openc2_bridge::mqtt::{MqttConfig, probe};

use crate::support::PATIENCE;
use crate::support::double::{Double, Guest};
use crate::support::packet::{Packet, Value, id};

/// The flag of CONNECT (MQTT v5.0, section 3.1.2.4).
const CLEAN_START: u8 = 0b10;

/// Says yes to everything, with this `QoS` to subscriptions, until the client leaves.
async fn humour(mut guest: Guest, qos: u8) {
    while let Some(packet) = guest.next().await {
        let answer = match packet {
            Packet::Subscribe { packet, filters, .. } => {
                Packet::SubAck { packet, codes: vec![qos; filters.len()] }
            }
            Packet::Unsubscribe { packet, filters } => {
                Packet::UnsubAck { packet, codes: vec![0x11; filters.len()] }
            }
            Packet::Publish(publish) => Packet::PubAck { packet: publish.packet, reason: 0 },
            Packet::PingReq => Packet::PingResp,
            Packet::Disconnect { .. } => break,
            other => panic!("not expected: {other:?}"),
        };
        guest.send(&answer).await;
    }
}

#[tokio::test]
async fn it_says_with_which_qos_and_for_how_long() {
    #[rustfmt::skip]
    let cases = [
        // session kept, expiry   QoS  session                                                    subscription
        (true,  None,             2,   Ok("kept for 1d after a disconnect"),                      Ok("granted, QoS 2")),
        (true,  Some(86_400),     1,   Ok("kept for 1d after a disconnect"),                      Ok("granted, QoS 1")),
        (true,  Some(3_600),      1,   Err("kept for 1h after a disconnect, and not for 1d"),     Ok("granted, QoS 1")),
        (false, None,             0,   Err("the broker had not kept it over a disconnect"),       Err("granted with QoS 0 (0x00) only")),
    ];
    for (is_kept, expiry, qos, session, subscription) in cases {
        let broker = Double::start().await;
        let config = MqttConfig {
            url: format!("mqtt://127.0.0.1:{}", broker.port()).parse().unwrap(),
            session_expiry: Duration::from_hours(24),
            ..MqttConfig::default()
        };
        let topics = CommandTopics {
            prefix: TopicPrefix::default(),
            profiles: [].into(),
            devices: [TopicLevel::try_from("zulu".to_owned()).unwrap()].into(),
        };
        let probing = tokio::spawn(async move { probe(&config, &topics, PATIENCE).await });
        let mut ids = Vec::new();
        for (session_present, is_clean) in [(false, false), (is_kept, false), (false, true)] {
            let mut guest = broker.guest().await;
            assert_eq!(
                guest.connect.flags & CLEAN_START != 0,
                is_clean,
                "the last ends the session"
            );
            ids.push(guest.connect.client_id.clone());
            let said = expiry.map(|secs| (id::SESSION_EXPIRY, Value::Four(secs)));
            guest.connack(session_present, 0, said.into_iter().collect()).await;
            humour(guest, qos).await;
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let findings = probing.await.unwrap();
        let found = |what: &str| {
            let finding = findings.iter().find(|finding| finding.what == what);
            finding.unwrap_or_else(|| panic!("no {what}: {findings:?}")).verdict.clone()
        };
        let text = |it: Result<&str, &str>| it.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(found("session"), text(session));
        match (found("subscribe to oc2/cmd/all"), text(subscription)) {
            (Err(found), Err(told)) => assert!(found.contains(&told), "{found}"),
            (found, told) => assert_eq!(found, told),
        }
    }
}
