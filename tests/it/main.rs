//! The integration tests, in one binary: linking is slow, and they share their helpers.

mod allocations;
mod bad_input;
mod broker_files;
mod command_line;
mod conformance;
#[cfg(feature = "embedded-broker")]
mod demo;
mod devices;
mod engine;
mod exchange;
mod faults;
mod foreign;
mod fuzz_corpora;
mod https;
mod language;
mod layering;
mod left_out;
mod mqtt_connect;
mod mqtt_door;
mod mqtt_faults;
mod mqtt_link;
mod mqtt_ping;
mod mqtt_probe;
mod mqtt_publish;
mod mqtt_tls;
mod operations;
mod pairs;
mod profiles;
mod readme;
mod schemas;
mod source;
mod support;
mod timing;
mod told;
mod vectors;
