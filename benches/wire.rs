//! How fast a command is read: bytes to the typed message, and with the digest by which
//! its repetitions are known, in JSON and in CBOR.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use openc2_bridge::language::{Language, Version};
use openc2_bridge::trust;
use openc2_bridge::wire::{self, Encoding, Limits};

/// A command as producers send it: headers, one target, arguments, an actuator.
const COMMAND: &str = r#"{"headers":{"request_id":"95ad511c-3339-4111-9c47-9156c47d37d3","created":1595268027000,"from":"Producer1@example.com","to":["consumer1@example.com"]},"body":{"openc2":{"request":{"action":"deny","target":{"ipv4_connection":{"protocol":"tcp","src_addr":"1.2.3.4","src_port":10996,"dst_addr":"198.2.3.4","dst_port":80}},"args":{"start_time":1534775460000,"response_requested":"ack"},"actuator":{"slpf":{"asset_id":"30"}}}}}}"#;

fn read(c: &mut Criterion) {
    let language = Language::core(Version::V1_1);
    let cbor = wire::from_json(COMMAND.as_bytes(), language).expect("the command is valid");
    for (name, message) in [("JSON", COMMAND.as_bytes()), ("CBOR", &cbor)] {
        let encoding = Encoding::of(message);
        let read = |message: &[u8]| {
            wire::read(message, encoding, Limits::default()).expect("the command is valid")
        };
        let mut group = c.benchmark_group(format!("a command of {} bytes, {name}", message.len()));
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function("read", |b| b.iter(|| read(black_box(message))));
        group.bench_function("read, and the digest", |b| {
            b.iter(|| {
                let letter = read(black_box(message));
                trust::digest_of_bytes(letter.canonical_body.as_bytes())
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = read
}
criterion_main!(benches);
