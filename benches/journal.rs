//! How many records a second become durable, in batches of 1, 32 and 256, with
//! the guard against silent rollback and without it; and what the chain alone costs.
//!
//! The files are in target/, so it should be on the disk that is meant.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use openc2_bridge::dispatch::{Accepted, Address, ContentDigest, Event, Key, Record, Ticket};
use openc2_bridge::journal::{Journal, JournalConfig, Storage};
use openc2_bridge::trust::digest_of_parts;

/// Length of a command as it came, in bytes.
const MESSAGE_BYTES: usize = 350;

fn record(ticket: u64) -> Record {
    let key = Key {
        consumer: "gateway-1".to_owned(),
        producer: "producer-1".to_owned(),
        request_id: format!("95ad511c-3339-4111-9c47-{ticket:012}"),
    };
    let accepted = Accepted {
        request_id: Some(key.request_id.clone()),
        key: Some(key),
        digest: Some(ContentDigest([7; 32])),
        consumer: "gateway-1".to_owned(),
        producer: Some("producer-1".to_owned()),
        summary: "deny ipv4_net".to_owned(),
        actuator: Some("filter".to_owned()),
        address: Address::Device("gateway-1".to_owned()),
        command_id: None,
        start_ms: None,
        stop_ms: None,
        message: Bytes::from(vec![b'x'; MESSAGE_BYTES]),
        unverified_signature: false,
        posted: false,
        hops: 0,
        about: None,
    };
    Record {
        ticket: Ticket(ticket),
        at_ms: 1_795_458_523_123,
        event: Event::Accepted(Box::new(accepted)),
    }
}

fn speed(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = c.benchmark_group("journal");
    group.measurement_time(Duration::from_secs(8)).sample_size(20);
    let kinds = [
        ("guarded", Storage::File, false),
        ("unguarded", Storage::File, true),
        ("memory", Storage::Memory, false),
    ];
    for batch in [1, 32, 256] {
        for (name, storage, unguarded) in kinds {
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
            let config = JournalConfig {
                dir: dir.path().to_owned(),
                storage,
                unguarded,
                ..JournalConfig::default()
            };
            let (journal, mut committed, _) = Journal::open(&config).expect("a journal");
            let mut ticket = 0;
            group.throughput(Throughput::Elements(batch));
            group.bench_function(format!("{name}, batches of {batch}"), |b| {
                b.iter(|| {
                    for _ in 0..batch {
                        ticket += 1;
                        journal.append(vec![record(ticket)], ()).expect("there is room");
                    }
                    runtime.block_on(async {
                        for _ in 0..batch {
                            committed.recv().await.expect("it is written");
                        }
                    });
                });
            });
        }
    }
    group.throughput(Throughput::Elements(1));
    let body = vec![b'x'; MESSAGE_BYTES + 350];
    group.bench_function("one link of the chain", |b| {
        let mut link = [0; 32];
        b.iter(|| link = digest_of_parts([link.as_slice(), &[0; 33], black_box(&body)]));
    });
    group.finish();
}

criterion_group!(benches, speed);
criterion_main!(benches);
