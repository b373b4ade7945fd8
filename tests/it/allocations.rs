//! What judging a valid message allocates: nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use openc2_bridge::encoding::cbor::CborSource;
use openc2_bridge::encoding::json::JsonSource;
use openc2_bridge::jadn::{Bounds, Form, Package, Schema, Tape};

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator has no safe form; it hands on what it is given")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends may free and allocate when its counter is gone.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// Commands and responses of every shape, but for names that are not ASCII, maps with
/// free keys, and values that could be anything.
#[test]
fn a_valid_message_allocates_nothing_once_the_tape_is_warm() {
    let file = include_bytes!("../../schemas/oc2ls-1.1.jadn");
    let package = Package::read(file).unwrap();
    let schema = Schema::compile(&package, &[], Bounds::default()).unwrap();
    let cases = [
        (
            "OpenC2-Command",
            r#"{"action":"deny","target":{"ipv4_connection":{"protocol":"tcp","src_addr":"1.2.3.4",
            "src_port":10996,"dst_addr":"198.2.3.4/24","dst_port":80}},"args":{"start_time":1534775460000,
            "duration":500,"response_requested":"ack"},"command_id":"dc5-1"}"#,
        ),
        ("OpenC2-Command", r#"{"target":{"features":["pairs","versions"]},"action":"query"}"#),
        (
            "OpenC2-Command",
            r#"{"action":"scan","target":{"file":{"name":"a\u00fc\n\\","hashes":{"md5":"0A"}}}}"#,
        ),
        ("OpenC2-Command", r#"{"action":"deny","target":{"domain_name":"a.example"}}"#),
        ("OpenC2-Command", r#"{"action":"deny","target":{"email_addr":"a@b.example"}}"#),
        ("OpenC2-Command", r#"{"action":"deny","target":{"uri":"https://a.example/b?c#d"}}"#),
        ("OpenC2-Command", r#"{"action":"deny","target":{"ipv6_net":"2001:db8::/32"}}"#),
        ("OpenC2-Command", r#"{"action":"deny","target":{"mac_addr":"01:23:45:67:89:AB"}}"#),
        (
            "OpenC2-Command",
            r#"{"action":"create","target":{"artifact":{"payload":{"bin":"AQID"}}}}"#,
        ),
        ("OpenC2-Response", r#"{"status":200,"results":{"versions":["1.1"],"rate_limit":1.5}}"#),
    ];
    let mut tape = Tape::default();
    let mut scratch = String::new();
    for (root, text) in cases {
        let root = schema.type_named(root).unwrap();
        let cbor = schema.transcode(root, text.as_bytes(), Form::VERBOSE, Form::CBOR, 32).unwrap();
        let mut judge = |scratch: String| {
            let mut source = JsonSource::new(text.as_bytes(), 32).with_scratch(scratch);
            schema.judge(root, &mut source, Form::VERBOSE, &mut tape).unwrap();
            let scratch = source.into_scratch();
            let mut source = CborSource::new(&cbor, 32).with_scratch(scratch);
            schema.judge(root, &mut source, Form::CBOR, &mut tape).unwrap();
            source.into_scratch()
        };
        scratch = judge(scratch);
        let count = allocations_of(|| scratch = judge(std::mem::take(&mut scratch)));
        assert_eq!(count, 0, "{text}");
    }
    // The counter does count.
    assert_eq!(allocations_of(|| drop(std::hint::black_box(Box::new(5_u8)))), 1);
}
