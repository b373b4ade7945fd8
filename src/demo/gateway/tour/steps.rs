//! The requests of the tour, and what must come of each.

use super::{Ask, Expected, Posted, Step};
use crate::demo::gateway::THREE;
use crate::demo::house::DeviceName::{Heater, Lamp, Plug};

/// A command for all three devices, by who may send it, who waits for the answers.
const POSTED: Posted =
    Posted { request_id: "", to: &THREE, from: "", command: "", prefer: "wait=20", is_known: true };

/// Switches on whatever can be switched.
const ON: Posted = Posted {
    request_id: "1f0e9a52-6d0c-4b6e-9c35-5b5a1d7f0a02",
    command: r#"{"action":"set","target":{"x-iot:switch":{"state":"on"}}}"#,
    ..POSTED
};

/// The tour. The only place to change when the gateway or the house changes.
pub const STEPS: &[Step] = &[
    Step {
        title: "Without a certificate: not even a handshake.",
        ask: Ask::Post(Posted {
            request_id: "1f0e9a52-6d0c-4b6e-9c35-5b5a1d7f0a01",
            is_known: false,
            ..ON
        }),
        expected: Expected::Refused,
        devices: &[(Plug, r#"{"POWER1":"OFF"}"#, 0)],
    },
    Step {
        title: "With one: one POST, three devices on MQTT, one response.",
        ask: Ask::Post(ON),
        expected: Expected::Response(
            200,
            "3 of 3 answered in time",
            &[("demo-plug", 200), ("demo-lamp", 200), ("demo-heater", 200)],
        ),
        devices: &[
            (Plug, r#"{"POWER1":"ON"}"#, 1),
            (Lamp, r#"{"state":"ON"}"#, 1),
            (Heater, r#"{"output":true}"#, 1),
        ],
    },
    Step {
        title: "The same POST once more: the same bytes, and nothing is switched again.",
        ask: Ask::Post(ON),
        expected: Expected::Same,
        devices: &[
            (Plug, r#"{"POWER1":"ON"}"#, 1),
            (Lamp, r#"{"state":"ON"}"#, 1),
            (Heater, r#"{"output":true}"#, 1),
        ],
    },
    Step {
        title: "Something that only the lamp can do.",
        ask: Ask::Post(Posted {
            request_id: "1f0e9a52-6d0c-4b6e-9c35-5b5a1d7f0a03",
            command: r#"{"action":"set","target":{"x-iot:light":{"state":"on","level":50}}}"#,
            ..POSTED
        }),
        expected: Expected::Response(
            200,
            "3 of 3 answered in time, 2 failed",
            &[("demo-plug", 501), ("demo-lamp", 200), ("demo-heater", 500)],
        ),
        devices: &[
            (Plug, r#"{"POWER1":"ON"}"#, 1),
            (Lamp, r#"{"state":"ON","brightness":127}"#, 2),
            (Heater, r#"{"output":true}"#, 1),
        ],
    },
    Step {
        title: "Not waiting: it is recorded, and Location says where to ask.",
        ask: Ask::Post(Posted {
            request_id: "1f0e9a52-6d0c-4b6e-9c35-5b5a1d7f0a04",
            command: r#"{"action":"set","target":{"x-iot:switch":{"state":"off"}}}"#,
            prefer: "respond-async",
            ..POSTED
        }),
        expected: Expected::Begun,
        devices: &[],
    },
    Step {
        title: "What happens to it, as it happens, until it has ended.",
        ask: Ask::There("/events"),
        expected: Expected::Events(
            &["accepted", "response", "response", "response", "done"],
            &THREE,
        ),
        devices: &[
            (Plug, r#"{"POWER1":"OFF"}"#, 2),
            (Lamp, r#"{"state":"OFF"}"#, 3),
            (Heater, r#"{"output":false}"#, 2),
        ],
    },
    Step {
        title: "And what became of it.",
        ask: Ask::There("?wait=20"),
        expected: Expected::Ended(
            200,
            &[("demo-plug", 200), ("demo-lamp", 200), ("demo-heater", 200)],
        ),
        devices: &[],
    },
    Step {
        title: "Whom the gateway has heard on MQTT.",
        ask: Ask::Path("/v1/consumers"),
        expected: Expected::Consumers(&THREE),
        devices: &[],
    },
    Step {
        title: "In somebody else's name.",
        ask: Ask::Post(Posted {
            request_id: "1f0e9a52-6d0c-4b6e-9c35-5b5a1d7f0a05",
            from: "somebody-else",
            ..ON
        }),
        expected: Expected::Response(403, "", &[]),
        devices: &[(Plug, r#"{"POWER1":"OFF"}"#, 2)],
    },
    Step {
        title: "For somebody whom no route leads to.",
        ask: Ask::Post(Posted {
            request_id: "1f0e9a52-6d0c-4b6e-9c35-5b5a1d7f0a06",
            to: &["the-neighbours"],
            ..ON
        }),
        expected: Expected::Response(404, "", &[]),
        devices: &[],
    },
];
