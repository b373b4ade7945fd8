//! Devices that know nothing of OpenC2, on every broker, commanded through the bridge as users run it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use openc2_bridge::actuator::device::BUILT_IN_SOURCES;
use openc2_bridge::demo::devices::{Device, RunningDevice, ShellySwitch, TasmotaPlug, ZigbeeLamp};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::broker::Broker;
use crate::support::client::Client;
use crate::support::packet::{Packet, Publish};
use crate::support::{brokers, soon};

const PRODUCER: &str = "devices-producer";

const START: &str = r#"{"action":"start","target":{"device":{"device_id":"it"}}}"#;
const STOP: &str = r#"{"action":"stop","target":{"device":{"device_id":"it"}}}"#;
const DENY: &str = r#"{"action":"deny","target":{"device":{"device_id":"it"}}}"#;
const SWITCH_ON: &str = r#"{"action":"set","target":{"x-iot:switch":{"state":"on"}}}"#;
const SWITCH_OFF: &str = r#"{"action":"set","target":{"x-iot:switch":{"state":"off"}}}"#;
const HALF_LIGHT: &str = r#"{"action":"set","target":{"x-iot:light":{"state":"on","level":50}}}"#;
const PROPERTIES: &str =
    r#"{"action":"query","target":{"properties":["state","level","link_quality"]}}"#;
const STATE_ONLY: &str = r#"{"action":"query","target":{"properties":["state"]}}"#;

/// A Tasmota reply says which relay it is about, but not which command it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plug_confirms_by_its_echo() {
    for broker in brokers("a_plug_confirms_by_its_echo").await {
        let mut house = House::open(&broker).await;
        let name = house.name("plug");
        house.take_in("it", &format!("map = 'tasmota'\nvars = {{ topic = '{name}', relay = 1 }}"));
        let plug = house.plug_in(TasmotaPlug::new(&name, 2)).await;
        let (on, off) =
            (json!({"POWER1":"ON","POWER2":"OFF"}), json!({"POWER1":"OFF","POWER2":"OFF"}));
        #[rustfmt::skip]
        let steps = [
            // command    results                                     the plug then     acts
            (START,       json!({"state":"on","confirmed":"echo"}),   &on,              1),
            (SWITCH_ON,   json!({"state":"on","confirmed":"echo"}),   &on,              2),
            (SWITCH_OFF,  json!({"state":"off","confirmed":"echo"}),  &off,             3),
            (PROPERTIES,  json!({"state":"off","confirmed":"state"}), &off,             3),
            (STOP,        json!({"state":"off","confirmed":"echo"}),  &off,             4),
        ];
        house.obeys(&plug, &steps).await;
        house.close([plug]).await;
    }
}

/// zigbee2mqtt answers no command: the lamp has obeyed once it reports the state asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lamp_confirms_by_the_state_it_reports() {
    for broker in brokers("a_lamp_confirms_by_the_state_it_reports").await {
        let mut house = House::open(&broker).await;
        let name = house.name("lamp");
        house.take_in("it", &format!("map = 'zigbee2mqtt'\nvars = {{ name = '{name}' }}"));
        let lamp = house.plug_in(ZigbeeLamp::new("zigbee2mqtt", &name)).await;
        let (on, off) =
            (json!({"state":"ON","brightness":127}), json!({"state":"OFF","brightness":127}));
        #[rustfmt::skip]
        let steps = [
            // command    results                                                 the lamp then  acts
            (HALF_LIGHT,  json!({"state":"on","level":50,"confirmed":"state"}),   &on,           1),
            (STATE_ONLY,  json!({"state":"on","confirmed":"state"}),              &on,           1),
            (STOP,        json!({"state":"off","confirmed":"state"}),             &off,          2),
            (PROPERTIES,  json!({"state":"off","level":50,"link_quality":120,"confirmed":"state"}), &off, 2),
        ];
        house.obeys(&lamp, &steps).await;
        house.close([lamp]).await;
    }
}

/// An order that changes nothing is not answered by such a lamp: it is asked for its state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lamp_that_reports_only_changes_is_asked() {
    for broker in brokers("a_lamp_that_reports_only_changes_is_asked").await {
        let mut house = House::open(&broker).await;
        let name = house.name("lamp");
        // The map that is shipped; only the patience before the question is shorter.
        let (_, map) = BUILT_IN_SOURCES.iter().find(|(map, _)| *map == "zigbee2mqtt").unwrap();
        assert!(map.contains(r#"after = "2s""#));
        house.topics.push_str(&map.replace(r#"after = "2s""#, r#"after = "50ms""#));
        house.take_in("it", &format!("map = 'zigbee2mqtt'\nvars = {{ name = '{name}' }}"));
        let lamp = ZigbeeLamp::new("zigbee2mqtt", &name).that_reports_only_changes();
        let lamp = house.plug_in(lamp).await;
        let (on, off) =
            (json!({"state":"ON","brightness":254}), json!({"state":"OFF","brightness":254}));
        #[rustfmt::skip]
        let steps = [
            // command    results                                      the lamp then  acts
            (SWITCH_OFF,  json!({"state":"off","confirmed":"state"}),  &off,          1),
            (START,       json!({"state":"on","confirmed":"state"}),   &on,           2),
            (START,       json!({"state":"on","confirmed":"state"}),   &on,           3),
        ];
        house.obeys(&lamp, &steps).await;
        house.close([lamp]).await;
    }
}

/// A Shelly reply carries the number of the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_confirms_by_the_number_of_the_call() {
    for broker in brokers("a_switch_confirms_by_the_number_of_the_call").await {
        let mut house = House::open(&broker).await;
        let name = house.name("shelly");
        house.take_in("it", &format!("map = 'shelly'\nvars = {{ prefix = '{name}' }}"));
        let switch = house.plug_in(ShellySwitch::new(&name).that_is_on()).await;
        let (on, off) = (json!({"output":true}), json!({"output":false}));
        #[rustfmt::skip]
        let steps = [
            // command    results                                                 the switch then  acts
            (DENY,        json!({"state":"off","was_on":true,"confirmed":"id"}),  &off,            1),
            (PROPERTIES,  json!({"state":"off","confirmed":"id"}),                &off,            1),
            (SWITCH_ON,   json!({"state":"on","was_on":false,"confirmed":"id"}),  &on,             2),
            (START,       json!({"state":"on","was_on":true,"confirmed":"id"}),   &on,             3),
        ];
        house.obeys(&switch, &steps).await;
        house.close([switch]).await;
    }
}

/// With a number in each reply several commands may be under way, and none takes another's reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_to_a_switch_at_the_same_time_get_their_own_replies() {
    const COMMANDS: usize = 20;
    for broker in brokers("commands_to_a_switch_at_the_same_time_get_their_own_replies").await {
        let mut house = House::open(&broker).await;
        let name = house.name("shelly");
        let map = format!("map = 'shelly'\nvars = {{ prefix = '{name}' }}\nconcurrency = 4");
        house.take_in("it", &map);
        let switch = house.plug_in(ShellySwitch::new(&name)).await;
        house.start();
        // Two kinds of reply: one that has taken the other's tells the wrong things.
        let mut asked = Vec::new();
        for number in 0..COMMANDS {
            let is_order = number % 2 == 0;
            let command = if is_order { START } else { PROPERTIES };
            asked.push((house.send("it", command).await, is_order));
        }
        for _ in 0..COMMANDS {
            let answer = house.next_answer().await;
            let (_, is_order) = asked.iter().find(|(id, _)| *id == answer.request_id).unwrap();
            let results = answer.results();
            assert_eq!(results["confirmed"], "id", "{broker}: {answer:?}");
            assert_eq!(results["was_on"].is_boolean(), *is_order, "{broker}: {answer:?}");
        }
        assert_eq!(switch.snapshot().acts, COMMANDS as u64 / 2, "{broker}");
        house.close([switch]).await;
    }
}

/// What is said of an offline device is said at once, and holds up no other device.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_offline_is_answered_for_with_503() {
    let test = "a_device_that_is_offline_is_answered_for_with_503";
    for broker in brokers(test).await {
        let mut house = House::open(&broker).await;
        let (name, other) = (house.name("plug"), house.name("other"));
        let map =
            |name: &str| format!("map = 'tasmota'\nvars = {{ topic = '{name}' }}\nnames = ['it']");
        house.take_in("plug", &map(&name));
        house.take_in("other", &map(&other));
        house.take_in("nobody", &map(&house.name("nobody")));
        let plug = house.plug_in(TasmotaPlug::new(&name, 1)).await;
        let other = house.plug_in(TasmotaPlug::new(&other, 1)).await;
        house.start();
        assert_eq!(house.ask("plug", START).await.status, 200, "{broker}");

        // It leaves properly, comes back, and then its plug is pulled.
        let mut plug = Some(plug);
        for leaves_properly in [true, false] {
            let leaving = plug.take().expect("it is there");
            if leaves_properly {
                leaving.stop().await;
            } else {
                drop(leaving);
            }
            house.hears(&format!("tele/{name}/LWT"), "Offline").await;
            // All devices speak over one connection: when this reply is in, so is what came before.
            assert_eq!(house.ask("other", START).await.status, 200, "{broker}");
            let answer = house.ask("plug", START).await;
            assert_eq!(
                (answer.status, answer.text.as_str()),
                (503, "the device is offline"),
                "{broker}, left properly: {leaves_properly}"
            );

            plug = Some(house.plug_in(TasmotaPlug::new(&name, 1)).await);
            house.hears(&format!("tele/{name}/LWT"), "Online").await;
            assert_eq!(house.ask("other", START).await.status, 200, "{broker}");
            assert_eq!(house.ask("plug", START).await.status, 200, "{broker}");
        }

        // One that never was there has said nothing; what the broker says of it must do.
        if broker.tells_that_nobody_listens(test) {
            let answer = house.ask("nobody", START).await;
            assert_eq!(answer.status, 503, "{broker}: {answer:?}");
            assert!(answer.text.contains("nobody listens"), "{broker}: {answer:?}");
        }
        house.close(plug.into_iter().chain([other])).await;
    }
}

/// A switch that is told to go on and does not answer yet; its map says what breaks that off.
const SLOW_SWITCH: &str = r#"
[map.slow]
[[map.slow.command]]
on = { action = "set", target = "x-iot:switch" }
publish = { topic = "{{ v.topic }}/cmd", payload = "{{ target.state }}" }
reply = { topic = "{{ v.topic }}/is", match = "payload == target.state", timeout = "30s" }
cancel = { target = { state = "off" } }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_cancelled_is_broken_off_as_its_map_says() {
    for broker in brokers("a_command_that_is_cancelled_is_broken_off_as_its_map_says").await {
        let mut house = House::open(&broker).await;
        let name = house.name("slow");
        house.topics.push_str(SLOW_SWITCH);
        house.take_in("it", &format!("map = 'slow'\nvars = {{ topic = '{name}' }}"));
        let mut switch = Client::connect(broker.port(), &house.name("Switch")).await;
        switch.subscribe(&format!("{name}/cmd"), 0x01).await;
        house.start();

        let command = house.send("it", SWITCH_ON).await;
        assert_eq!(switch.message().await.payload, b"on");
        let cancel = json!({"action": "cancel", "target": {"command": command}}).to_string();
        let answer = house.ask("it", &cancel).await;
        assert_eq!(answer.status, 200, "{broker}: {answer:?}");
        assert_eq!(switch.message().await.payload, b"off", "{broker}");
        switch.publish(&format!("{name}/is"), "off", 1, Vec::new()).await;
        let answer = house.next_answer().await;
        assert_eq!((answer.request_id, answer.status), (command, 500), "{broker}");
        assert!(answer.text.starts_with("cancelled by its producer"), "{broker}: {}", answer.text);
        house.close([]).await;
    }
}

/// A broker with devices on it, a bridge beside it, and somebody who commands them.
struct House {
    broker: String,
    url: String,
    /// In every name here, so that a broker of others may be used.
    run: String,
    topics: String,
    bridge: Option<Bridge>,
    producer: Client,
    /// Hears responses and nothing else, so that none comes between a PUBLISH and its PUBACK.
    ears: Client,
    /// Where the devices have left retained messages.
    retained: Vec<String>,
    port: u16,
    sent: u64,
}

/// A response.
#[derive(Debug)]
struct Answer {
    request_id: String,
    status: u64,
    text: String,
    body: Value,
}

impl House {
    async fn open(broker: &Broker) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        eprintln!("on {broker}");
        let run = format!("{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let producer = Client::connect(broker.port(), &format!("Devices{run}")).await;
        let mut ears = Client::connect(broker.port(), &format!("Ears{run}")).await;
        ears.subscribe(&format!("oc2-{run}/rsp/{PRODUCER}"), 0x01).await;
        Self {
            broker: broker.to_string(),
            url: broker.url(),
            topics: format!("prefix = 'oc2-{run}'\n"),
            run,
            bridge: None,
            producer,
            ears,
            retained: Vec::new(),
            port: broker.port(),
            sent: 0,
        }
    }

    /// A name for a device that no other run gives.
    fn name(&self, kind: &str) -> String {
        format!("{kind}-{}", self.run)
    }

    /// Writes a device into topics.toml: an actuator, and a consumer of the same name.
    fn take_in(&mut self, name: &str, device: &str) {
        write!(
            self.topics,
            "\n[[consumer]]\nid = '{name}'\nactuators = ['{name}']\n\n\
             [actuator.{name}]\nkind = 'device'\nprofile = 'x-iot'\n{device}\n"
        )
        .expect("a string takes everything");
    }

    /// Puts a device on the broker.
    async fn plug_in(&mut self, device: impl Device) -> RunningDevice {
        self.retained.push(device.will().topic);
        soon("a device", RunningDevice::start(device, &self.url)).await.unwrap()
    }

    fn start(&mut self) {
        self.bridge = Some(Bridge::start(&self.url, "", &self.topics));
    }

    /// Starts the bridge and gives `it` one command after the other: the results, and what
    /// became of the device.
    async fn obeys(&mut self, device: &RunningDevice, steps: &[(&str, Value, &Value, u64)]) {
        self.start();
        for (number, (command, results, state, acts)) in steps.iter().enumerate() {
            let answer = self.ask("it", command).await;
            let step = format!("{}, step {number}, {command}: {answer:?}", self.broker);
            assert_eq!(answer.status, 200, "{step}");
            assert_eq!(answer.results(), results, "{step}");
            let now = device.snapshot();
            assert_eq!((&now.state, now.acts), (*state, *acts), "{step}");
        }
    }

    /// Sends a command and waits for the response to it.
    async fn ask(&mut self, consumer: &str, command: &str) -> Answer {
        let request_id = self.send(consumer, command).await;
        let answer = self.next_answer().await;
        assert_eq!(answer.request_id, request_id, "{}", self.broker);
        answer
    }

    /// Sends a command; says by which `request_id`.
    async fn send(&mut self, consumer: &str, command: &str) -> String {
        let request_id = format!("{}-{}", self.run, self.sent);
        self.sent += 1;
        let request: Value = serde_json::from_str(command).unwrap();
        let message = json!({
            "headers": { "request_id": request_id, "from": PRODUCER },
            "body": { "openc2": { "request": request } },
        });
        let topic = format!("oc2-{}/cmd/device/{consumer}", self.run);
        self.producer.publish(&topic, &message.to_string(), 1, Vec::new()).await;
        request_id
    }

    async fn next_answer(&mut self) -> Answer {
        let payload = self.ears.message().await.payload;
        let message: Value = serde_json::from_slice(&payload).unwrap();
        let body = &message["body"]["openc2"]["response"];
        Answer {
            request_id: message["headers"]["request_id"].as_str().unwrap().to_owned(),
            status: body["status"].as_u64().unwrap(),
            text: body["status_text"].as_str().unwrap_or_default().to_owned(),
            body: body.clone(),
        }
    }

    /// Waits until the broker says this on a topic.
    async fn hears(&self, topic: &str, payload: &str) {
        let mut listener = Client::connect(self.port, &format!("Listener{}", self.run)).await;
        listener.subscribe(topic, 0x01).await;
        while listener.message().await.payload != payload.as_bytes() {}
    }

    /// Every command was counted once, and nothing stays behind.
    async fn close(mut self, devices: impl IntoIterator<Item = RunningDevice>) {
        const CLASSES: [&str; 6] =
            ["answered", "silent", "refused", "repeated", "dropped", "in_progress"];
        let mut bridge = self.bridge.take().expect("it was started");
        let counters = bridge.counters();
        let sum: u64 = CLASSES.iter().map(|class| counters[class].as_u64().unwrap()).sum();
        assert_eq!((sum, &counters["received"]), (self.sent, &json!(self.sent)), "{counters}");
        assert_eq!(bridge.terminate().code(), Some(0), "{}", self.broker);
        for device in devices {
            device.stop().await;
        }
        // An empty retained message removes the one before (MQTT v5.0, section 3.3.1.3).
        for (packet, topic) in (1..).zip(self.retained) {
            let nothing = Publish { retain: true, qos: 1, packet, topic, ..Publish::default() };
            self.producer.send(&Packet::Publish(nothing)).await;
            assert!(matches!(self.producer.next().await, Packet::PubAck { .. }));
        }
    }
}

impl Answer {
    /// Results of the profile of devices.
    fn results(&self) -> &Value {
        &self.body["results"]["x-iot"]
    }
}
