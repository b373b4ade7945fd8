#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rooms::checks::message_cbor(bytes));
