//! Who may name whom: arrows never go up, the quiet room stays quiet, and every
//! library has one room.

mod names;

use std::collections::BTreeSet;
use std::fmt;

use crate::source;
use names::{Named, named};

/// Every room, and the rooms it may name. Any room may also name itself and `format`.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "actuator",
            "config",
            "console",
            "daemon",
            "demo",
            "dispatch",
            "encoding",
            "https",
            "jadn",
            "journal",
            "language",
            "mqtt",
            "openc2",
            "producer",
            "telemetry",
            "tls",
            "trust",
            "wire",
        ],
    ),
    ("demo", &["config", "daemon", "mqtt", "openc2", "wire"]),
    (
        "daemon",
        &[
            "actuator",
            "config",
            "console",
            "dispatch",
            "fail_point",
            "https",
            "journal",
            "mqtt",
            "openc2",
            "producer",
            "telemetry",
            "wire",
        ],
    ),
    (
        "config",
        &[
            "actuator",
            "console",
            "dispatch",
            "https",
            "journal",
            // The profiles that actuators name, and the versions that consumers list.
            "language",
            "mqtt",
            "producer",
            "telemetry",
            "tls",
            "trust",
            "wire",
        ],
    ),
    ("console", &["dispatch", "journal", "openc2"]),
    // language: an actuator has the pairs of its profile.
    // wire: a program gets its command, and gives its response, as the JSON of a message.
    // fail_point, here and above: what a crash can come between is done in these rooms.
    (
        "actuator",
        &["dispatch", "fail_point", "https", "language", "mqtt", "openc2", "producer", "wire"],
    ),
    // dispatch: the receipts and addresses that the doors' own types carry.
    // language: the schemas by which responses are read.
    ("producer", &["dispatch", "https", "language", "mqtt", "openc2", "wire"]),
    ("https", &["dispatch", "openc2", "tls", "wire"]),
    ("mqtt", &["dispatch", "fail_point", "openc2", "tls", "wire"]),
    // trust: the digests that chain the records.
    ("journal", &["dispatch", "fail_point", "openc2", "trust", "wire"]),
    // encoding: its tests alone, which judge commands by the schema that a consumer tells.
    ("dispatch", &["encoding", "jadn", "language", "openc2", "trust", "wire"]),
    ("trust", &["openc2", "wire"]),
    ("wire", &["encoding", "jadn", "language", "openc2"]),
    ("language", &["encoding", "jadn", "openc2"]),
    ("jadn", &["encoding"]),
    ("openc2", &[]),
    ("tls", &[]),
    ("fail_point", &[]),
    ("telemetry", &[]),
    ("encoding", &[]),
    ("format", &[]),
];

/// Value checks that everybody shares.
const COMMON_ROOM: &str = "format";

/// Libraries with one room each (`main` and `cli` are the two halves of one program).
const LIBRARIES: &[(&str, &[&str])] = &[
    ("anyhow", &["main", "cli"]),
    ("base64", &["format"]),
    // Only its tests: what others decode, ours is compared with.
    ("ciborium", &["encoding"]),
    ("clap", &["main", "cli"]),
    // Made-up messages and octets: a seed is all that is random about them.
    ("fastrand", &["encoding", "jadn"]),
    ("futures_util", &["mqtt"]),
    ("http_body_util", &["https"]),
    ("httpdate", &["https"]),
    ("hyper", &["https"]),
    ("hyper_rustls", &["https"]),
    ("hyper_util", &["https"]),
    ("icu_properties", &["format"]),
    ("idna", &["format"]),
    ("minijinja", &["actuator"]),
    // journal: room on the disk, held back without writing it.
    ("nix", &["actuator", "journal"]),
    ("rcgen", &["demo"]),
    ("regex", &["jadn"]),
    ("regex_syntax", &["jadn"]),
    ("rmqtt", &["demo"]),
    ("rumqttc", &["mqtt"]),
    ("rusqlite", &["journal"]),
    ("rustls", &["tls"]),
    ("rustls_native_certs", &["tls"]),
    ("serde_path_to_error", &["config"]),
    ("serde_json_canonicalizer", &["trust"]),
    ("sha2", &["trust"]),
    ("strsim", &["config"]),
    ("tokio_rustls", &["tls"]),
    // Settings and device maps are both TOML; each room reads its own.
    ("toml", &["actuator", "config"]),
    ("tracing_subscriber", &["telemetry"]),
    ("uuid", &["producer"]),
    ("x509_cert", &["tls"]),
];

/// Libraries that may be named anywhere.
const COMMON_LIBRARIES: &[&str] = &["bytes", "serde", "serde_json", "thiserror", "tracing"];

/// Libraries that may be named above the quiet room.
const WAITING_LIBRARIES: &[&str] = &["tokio", "tokio_util"];

/// `dispatch` and what is below it.
const NEVER_WAITS: &[&str] =
    &["dispatch", "trust", "wire", "language", "jadn", "encoding", "openc2", "format"];

/// Words that let a clock, a socket, a disk or a wait into a room.
const NOISE: &[&str] = &[
    "Instant",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "async",
    "await",
    "env",
    "fs",
    "println",
    "process",
    "thread",
];

/// The room that holds no [`NOISE`].
const QUIET_ROOM: &str = "dispatch";

/// One thing that is named where it may not be.
#[derive(Debug, Eq, PartialEq)]
struct Trespass {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Trespass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

#[test]
fn no_arrow_goes_up_and_every_library_has_one_room() {
    let libraries = dependencies();
    let files = source::files("src");
    let trespasses: Vec<String> = files
        .iter()
        .flat_map(|file| trespasses(&file.path, &file.text, &libraries))
        .map(|trespass| trespass.to_string())
        .collect();
    assert!(trespasses.is_empty(), "\n{}", trespasses.join("\n"));
}

#[test]
fn every_room_stands_in_the_table() {
    let files = source::files("src");
    let rooms: BTreeSet<_> = files.iter().map(|file| room_of(&file.path)).collect();
    let unknown: Vec<_> =
        rooms.into_iter().filter(|room| *room != "lib" && arrows_of(room).is_none()).collect();
    assert!(unknown.is_empty(), "rooms without a row in ARROWS: {unknown:?}");
}

#[test]
fn lib_rs_only_lists_the_rooms() {
    let file = source::files("src").into_iter().find(|file| file.path == "src/lib.rs").unwrap();
    let stranger = source::tokens(&file.text).into_iter().find(|token| {
        ["use", "fn", "struct", "enum", "impl", "const", "static", "type", "macro_rules"]
            .iter()
            .any(|word| token.is(word))
    });
    assert_eq!(stranger, None, "src/lib.rs is the map of the rooms and holds nothing else");
}

#[test]
fn the_table_itself_has_no_way_round() {
    for (room, _) in ARROWS {
        let mut reached = BTreeSet::new();
        let mut ahead = arrows_of(room).unwrap().to_vec();
        while let Some(next) = ahead.pop() {
            assert!(arrows_of(next).is_some(), "{room} names {next}, which has no row");
            assert_ne!(next, *room, "{room} is reached from itself");
            if reached.insert(next) {
                ahead.extend(arrows_of(next).unwrap());
            }
        }
    }
}

#[test]
fn every_dependency_has_a_room() {
    let known: BTreeSet<String> = LIBRARIES
        .iter()
        .map(|(library, _)| *library)
        .chain(COMMON_LIBRARIES.iter().copied())
        .chain(WAITING_LIBRARIES.iter().copied())
        .map(str::to_owned)
        .collect();
    let dependencies = dependencies();
    let homeless: Vec<_> = dependencies.difference(&known).collect();
    assert!(homeless.is_empty(), "in Cargo.toml, and in no table of this test: {homeless:?}");
}

/// Dependencies as source names them.
fn dependencies() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(source::root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

fn arrows_of(room: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(from, _)| *from == room).map(|(_, to)| *to)
}

/// `dispatch` for src/dispatch/effect.rs and for src/dispatch.rs.
fn room_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").expect("a file of src/");
    inside.split('/').next().expect("a path has a first part").trim_end_matches(".rs")
}

/// How many modules down from the crate's root the file's own module is.
fn depth_of(path: &str) -> usize {
    let inside = path.strip_prefix("src/").expect("a file of src/").trim_end_matches(".rs");
    let parts = inside.split('/').filter(|part| !["mod", "lib", "main"].contains(part));
    parts.count()
}

fn trespasses(path: &str, text: &str, libraries: &BTreeSet<String>) -> Vec<Trespass> {
    let room = room_of(path);
    let none = BTreeSet::new();
    let libraries = if path.ends_with("/tests.rs") { &none } else { libraries };
    let found = named(text, depth_of(path), libraries);
    found
        .into_iter()
        .filter_map(|(line, named)| {
            let what = complaint(room, &named)?;
            Some(Trespass { path: path.to_owned(), line, what })
        })
        .collect()
}

/// What is wrong with `room` naming this, if anything is.
fn complaint(room: &str, named: &Named) -> Option<String> {
    match named {
        Named::Room(other) => {
            let allowed = other == room
                || other == COMMON_ROOM
                || arrows_of(room).is_some_and(|arrows| arrows.contains(&other.as_str()));
            (!allowed).then(|| format!("`{room}` may not name `{other}`"))
        }
        Named::Everything => {
            Some("this names every room at once: name the one you mean".to_owned())
        }
        Named::PathAttribute => Some("a module lives where its name says".to_owned()),
        Named::Noise(word) => (room == QUIET_ROOM).then(|| {
            format!("`{word}` lets a clock, a socket, a disk or a wait into the quiet room")
        }),
        Named::Library(library) => library_complaint(room, library),
    }
}

fn library_complaint(room: &str, library: &str) -> Option<String> {
    if COMMON_LIBRARIES.contains(&library) {
        return None;
    }
    if WAITING_LIBRARIES.contains(&library) {
        return NEVER_WAITS
            .contains(&room)
            .then(|| format!("`{room}` never waits and so has no use for `{library}`"));
    }
    let homes = LIBRARIES.iter().find(|(name, _)| *name == library).map_or(&[][..], |(_, at)| at);
    (!homes.contains(&room)).then(|| format!("`{library}` lives in {homes:?} and not in `{room}`"))
}

#[test]
fn arrows_are_found_however_they_are_written() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("src/dispatch/mod.rs", "use crate::mqtt::Link;", &["mqtt"]),
        ("src/dispatch/mod.rs", "fn f(x: crate::journal::Store) {}", &["journal"]),
        ("src/dispatch/mod.rs", "use crate::{mqtt::Link, wire, trust::{self, x}};", &["mqtt"]),
        ("src/dispatch/mod.rs", "use crate::{wire::{a, b}, journal};", &["journal"]),
        ("src/dispatch/mod.rs", "use super::mqtt::Link;", &["mqtt"]),
        ("src/dispatch/effect.rs", "use super::super::mqtt;", &["mqtt"]),
        ("src/dispatch/effect.rs", "use self::super::super::{mqtt, wire};", &["mqtt"]),
        ("src/dispatch/effect.rs", "use super::{Inbound, super::mqtt};", &["mqtt"]),
        ("src/dispatch/effect.rs", "mod tests { use super::super::super::mqtt; }", &["mqtt"]),
        ("src/dispatch/effect.rs", "mod tests { use super::super::Receipt; }", &[]),
        ("src/dispatch/effect.rs", "mod tests { mod a {} } use super::super::mqtt;", &["mqtt"]),
        ("src/dispatch/effect.rs", "use super::Receipt;", &[]),
        ("src/dispatch/mod.rs", "use crate::dispatch::Receipt;", &[]),
        ("src/dispatch/mod.rs", "use crate::format::hostname;", &[]),
        ("src/dispatch/mod.rs", "use openc2_bridge::mqtt;", &["mqtt"]),
        ("src/main.rs", "use openc2_bridge::{cli, daemon};", &["daemon"]),
        ("src/dispatch/mod.rs", "use crate as everything;", &["everything"]),
        ("src/dispatch/mod.rs", "extern crate self as root;", &["everything"]),
        ("src/dispatch/mod.rs", "use crate::*;", &["everything"]),
        ("src/dispatch/mod.rs", "use super::{self as root};", &["everything"]),
        ("src/dispatch/effect.rs", "use super::*;", &[]),
        ("src/dispatch/mod.rs", "pub(crate) fn f() {} pub(super) fn g() {}", &[]),
        ("src/dispatch/mod.rs", "pub(in crate::dispatch) fn f() {}", &[]),
        ("src/dispatch/mod.rs", "// crate::mqtt\n/// [`crate::mqtt`]\nfn f() {}", &[]),
        ("src/dispatch/mod.rs", "const A: &str = \"crate::mqtt\";", &[]),
        ("src/dispatch/mod.rs", "fn f(&self) { self.mqtt() }", &[]),
        ("src/dispatch/mod.rs", "#[path = \"../mqtt/link.rs\"] mod link;", &["path"]),
        ("src/dispatch/mod.rs", "async fn f() { g().await }", &["async", "await"]),
        ("src/dispatch/mod.rs", "use std::time::Instant;", &["Instant"]),
        ("src/dispatch/mod.rs", "#[tokio::test] fn f() {}", &["tokio"]),
        ("src/openc2/mod.rs", "use tokio_util::sync;", &["tokio_util"]),
        ("src/mqtt/mod.rs", "use tokio::sync::mpsc; async fn f() {}", &[]),
        ("src/wire/mod.rs", "fn f() -> rusqlite::Result<()> {}", &["rusqlite"]),
        ("src/wire/mod.rs", "fn f() -> ::rusqlite::Result<()> {}", &["rusqlite"]),
        ("src/wire/mod.rs", "use rusqlite as r;", &["rusqlite"]),
        ("src/wire/mod.rs", "extern crate rusqlite;", &["rusqlite"]),
        ("src/wire/mod.rs", "#[derive(clap::Parser)] struct A;", &["clap"]),
        ("src/wire/mod.rs", "mod tests { use toml::Value; }", &[]),
        ("src/wire/mod.rs", "mod tests { } use toml::Value;", &["toml"]),
        ("src/wire/mod.rs", "mod tests { use crate::mqtt; }", &["mqtt"]),
        ("src/wire/mod.rs", "use serde_json::Value; use bytes::Bytes;", &[]),
        ("src/journal/mod.rs", "use rusqlite::Connection; use crate::wire;", &[]),
        ("src/journal/mod.rs", "use crate::mqtt::toml::Value;", &["mqtt"]),
        ("src/config.rs", "use crate::{dispatch, wire, format}; use toml::Value;", &[]),
        ("src/telemetry.rs", "use crate::config;", &["config"]),
    ];
    let libraries = dependencies();
    for (path, text, expected) in cases {
        let room = room_of(path);
        let found: Vec<String> = named(text, depth_of(path), &libraries)
            .into_iter()
            .filter(|(_, named)| complaint(room, named).is_some())
            .map(|(_, named)| match named {
                Named::Room(name) | Named::Library(name) | Named::Noise(name) => name,
                Named::Everything => "everything".to_owned(),
                Named::PathAttribute => "path".to_owned(),
            })
            .collect();
        assert_eq!(found, *expected, "{path}: {text}");
    }
}

#[test]
fn a_trespass_says_where_and_what() {
    let text = "\nuse crate::openc2;\nuse crate::journal;\n";
    let found = trespasses("src/dispatch/admit.rs", text, &dependencies());
    let said: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["src/dispatch/admit.rs:3: `dispatch` may not name `journal`"]);
}
