//! The quiet room alone: a message in, effects out. No clock, no disk, no socket, so what is
//! measured here is what the bridge itself thinks about a command.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use openc2_bridge::config::{Settings, Topics};
use openc2_bridge::dispatch::{
    Address, Declared, Dispatcher, Effect, Inbound, Known, OutboxId, Outcome, Receipt, Report,
    Ticket,
};
use openc2_bridge::language::Library;
use openc2_bridge::mqtt::topics::{self, TopicPrefix};
use openc2_bridge::openc2::{Response, Status};

const NOW_MS: u64 = 1_795_466_039_961;

/// Consumers in topics.toml.
const CONSUMERS: [usize; 3] = [1, 100, 10_000];

/// A quiet room with so many consumers, all with one actuator behind them.
fn dispatcher(consumers: usize) -> Dispatcher {
    let mut text = String::new();
    for n in 1..=consumers {
        writeln!(text, "[[consumer]]\nid = \"gateway-{n}\"\nactuators = [\"it\"]\n")
            .expect("a String");
    }
    text += "[actuator.it]\nkind = \"log\"\nprofile = \"x-log\"\nconcurrency = 256\n\
             pairs = { deny = [\"ipv4_connection\"] }\n";
    let topics =
        Topics::parse(Path::new("topics.toml"), &text, &Library::built_in()).expect("no mistake");
    let settings =
        Settings::parse(Path::new("bridge.toml"), "", std::iter::empty()).expect("no mistake");
    Dispatcher::new(topics.house, settings.rules(), Ticket(0), OutboxId(0))
}

/// A command of 350 bytes, as the end-to-end benchmark sends it.
fn command(number: u64) -> Inbound {
    let message = format!(
        r#"{{"headers":{{"request_id":"{number:016}","created":{NOW_MS},"from":"load"}},"body":{{"openc2":{{"request":{{"action":"deny","target":{{"ipv4_connection":{{"protocol":"tcp","src_addr":"198.51.100.7","src_port":10996,"dst_addr":"203.0.113.80","dst_port":443}}}},"args":{{"response_requested":"complete"}},"command_id":"8a2f0c3e-60b9-4b44-8d6f-1b7a40e3c5d1"}}}}}}}}"#
    );
    Inbound {
        receipt: Receipt(number),
        address: Address::Device("gateway-1".to_owned()),
        payload: Bytes::from(message),
        declared: Declared {
            content_type: Some("application/openc2".to_owned()),
            msg_type: Some("req".to_owned()),
            encoding: Some("json".to_owned()),
            is_utf8: Some(true),
            has_response_topic: false,
            hops: 0,
            twofold: None,
        },
        retained: false,
        received_ms: NOW_MS,
        caller: None,
    }
}

/// Takes a command in, and its outcome; every effect of both.
fn there_and_back(dispatcher: &mut Dispatcher, inbound: Inbound, known: &[Option<Known>]) -> usize {
    let opened = dispatcher.open(inbound);
    dispatcher.before_recall();
    let effects = dispatcher.admit(opened, known, &[]);
    let started = effects.iter().find_map(|effect| match effect {
        Effect::Start(work) => Some(work.ticket),
        _ => None,
    });
    let ticket = started.expect("the actuator has a hand free");
    let outcome = Outcome::from(Response::new(Status::Ok));
    let report = Report::Outcome { ticket, outcome };
    effects.len() + dispatcher.report(report, NOW_MS).len()
}

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("dispatch");
    for consumers in CONSUMERS {
        let mut dispatcher = dispatcher(consumers);
        let mut number = 0;
        group.bench_function(format!("a command to its response, {consumers} consumers"), |b| {
            b.iter_batched(
                || {
                    number += 1;
                    command(number)
                },
                |inbound| there_and_back(&mut dispatcher, inbound, &[None]),
                BatchSize::SmallInput,
            );
        });
    }
    let reader = dispatcher(1);
    group.bench_function("reading alone", |b| {
        b.iter_batched(|| command(1), |inbound| reader.open(inbound), BatchSize::SmallInput);
    });
    group.finish();
}

fn topic(c: &mut Criterion) {
    let prefix = TopicPrefix::default();
    c.bench_function("topic to address", |b| {
        b.iter(|| topics::address(&prefix, black_box("oc2/cmd/device/gateway-1")));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = dispatch, topic
}
criterion_main!(benches);
