//! What CONNECT says, and what becomes of the broker's answer.

use std::time::Duration;

use openc2_bridge::mqtt::MqttConfig;
use openc2_bridge::mqtt::config::Credentials;
use openc2_bridge::mqtt::door::{CommandTopics, Door, DoorSettings};
use openc2_bridge::mqtt::link::{Link, LinkSettings, Session};

use crate::support::double::Double;
use crate::support::packet::{Packet, Value, id, property};
use crate::support::{down, kept, up, url};

/// Shows MQTT-3.1-1, MQTT-3.1-2, MQTT-3.1-3, MQTT-3.1-4 and MQTT-2.10-1 on the wire.
#[tokio::test]
async fn connect_says_what_the_transfer_specification_wants() {
    let broker = Double::start().await;
    let (_link, _events) = Link::open(kept(broker.port(), "Abc123"));
    let connect = broker.guest().await.connect;

    assert_eq!(connect.version, 5);
    // Clean Start, the will's four bits, user name, password: none of them.
    assert_eq!(connect.flags, 0);
    assert_eq!(connect.rest, 0, "no fields of a will");
    assert_eq!(connect.keep_alive, 60);
    assert_eq!(connect.client_id, "Abc123");
    let of = |id| property(&connect.properties, id);
    assert_eq!(of(id::SESSION_EXPIRY), Some(&Value::Four(600)));
    assert_eq!(of(id::RECEIVE_MAXIMUM), Some(&Value::Two(16)));
    assert_eq!(of(id::MAXIMUM_PACKET_SIZE), Some(&Value::Four(1_048_576)));
}

#[tokio::test]
async fn a_link_for_devices_leaves_nothing_at_the_broker() {
    let broker = Double::start().await;
    let config = MqttConfig { url: url(broker.port()), ..MqttConfig::default() };
    let settings = LinkSettings::clean(&config, "Watcher1".to_owned()).unwrap();
    assert_eq!(settings.session, Session::Clean);
    let (_link, mut events) = Link::open(settings);
    let mut guest = broker.guest().await;
    assert_eq!(guest.connect.flags, 0x02, "Clean Start");
    assert_eq!(property(&guest.connect.properties, id::SESSION_EXPIRY), Some(&Value::Four(0)));
    guest.connack(false, 0, Vec::new()).await;
    assert!(!up(&mut events).await);
}

#[tokio::test]
async fn user_name_and_password_are_sent() {
    let broker = Double::start().await;
    let credentials =
        Credentials { username: "bridge".to_owned(), password: Some("secret".to_owned()) };
    assert!(!format!("{credentials:?}").contains("secret"));
    let settings = LinkSettings { credentials: Some(credentials), ..kept(broker.port(), "Id1") };
    let (_link, _events) = Link::open(settings);
    let connect = broker.guest().await.connect;
    assert_eq!(connect.flags, 0xC0);
    assert_eq!(connect.username.as_deref(), Some("bridge"));
    assert_eq!(connect.password.as_deref(), Some(b"secret".as_slice()));
}

/// Shows MQTT-3.1-4: the identifier is made by us, stored, and the same ever after.
#[tokio::test]
async fn the_identifier_is_made_once_and_used_at_every_connection() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Double::start().await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let config = MqttConfig { url: url(broker.port()), ..MqttConfig::default() };
        let topics = CommandTopics::default();
        let settings =
            DoorSettings { state_folder: folder.path().to_owned(), has_history: false, topics };
        let (door, _events) = Door::open(&config, &settings).unwrap();
        let connect = broker.guest().await.connect;
        let stored = std::fs::read_to_string(folder.path().join("client-id")).unwrap();
        assert_eq!(stored.lines().next(), Some(connect.client_id.as_str()));
        seen.push(connect.client_id);
        door.close(Duration::ZERO).await;
    }
    assert_eq!(seen[0], seen[1]);
    assert!((1..=23).contains(&seen[0].len()));
    assert!(seen[0].bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

/// Shows MQTT-3.5-1 for CONNACK.
#[tokio::test]
async fn a_refused_connection_is_named_and_tried_again() {
    let broker = Double::start().await;
    let (link, mut events) = Link::open(kept(broker.port(), "Id1"));
    let cases = [
        (0x86, "Bad User Name or Password (0x86)"),
        (0x87, "Not authorized (0x87)"),
        (0x88, "Server unavailable (0x88)"),
        (0x8A, "Banned (0x8A)"),
        (0x9F, "Connection rate exceeded (0x9F)"),
    ];
    for (code, name) in cases {
        broker.guest().await.connack(false, code, Vec::new()).await;
        let reason = down(&mut events).await;
        assert!(reason.contains(name), "{reason}");
    }
    assert_eq!(link.statistics().failed, 5);
    let _guest = broker.welcome(false, Vec::new()).await;
    up(&mut events).await;
}

/// Shows MQTT-3.5-1 for DISCONNECT.
#[tokio::test]
async fn a_disconnect_is_named_with_its_reason_string() {
    let broker = Double::start().await;
    let (_link, mut events) = Link::open(kept(broker.port(), "Id1"));
    for (reason, name) in
        [(0x8B, "Server shutting down (0x8B)"), (0x98, "Administrative action (0x98)")]
    {
        let mut guest = broker.welcome(true, Vec::new()).await;
        up(&mut events).await;
        let properties = vec![(id::REASON_STRING, Value::Text("go\naway".to_owned()))];
        guest.send(&Packet::Disconnect { reason, properties }).await;
        let said = down(&mut events).await;
        assert!(said.contains(name) && said.contains("\"go\\naway\""), "{said}");
    }
}
