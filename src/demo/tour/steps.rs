//! The commands of the tour, and what must come of each.

use super::{Expected, Step, To};
use crate::demo::house::DeviceName;

/// The tour. The only place to change when the house or the bridge changes.
pub const STEPS: &[Step] = &[
    Step {
        title: "What can the house do?",
        to: To::Device("demo-house"),
        command: r#"{"action":"query","target":{"features":["versions","profiles","pairs"]}}"#,
        request: "features",
        expected: Expected {
            from: &["demo-house"],
            status: 200,
            results: r#"{"versions":["1.1"],"profiles":["x-iot","x-demo"],"pairs":{"set":["x-iot:light","x-demo:note"]}}"#,
            text: "",
            device: None,
        },
    },
    Step {
        title: "Who implements x-iot?",
        to: To::Profile("x-iot"),
        command: r#"{"action":"query","target":{"features":[]}}"#,
        request: "who",
        expected: Expected {
            from: &["demo-house", "demo-plug", "demo-lamp", "demo-heater"],
            status: 200,
            results: "",
            text: "",
            device: None,
        },
    },
    Step {
        title: "Switch the plug on. A Tasmota plug echoes what it did.",
        to: To::Device("demo-plug"),
        command: r#"{"action":"start","target":{"device":{"device_id":"plug"}}}"#,
        request: "plug-on",
        expected: Expected {
            from: &["demo-plug"],
            status: 200,
            results: "",
            text: "",
            device: Some((DeviceName::Plug, r#"{"POWER1":"ON","POWER2":"OFF"}"#, 1)),
        },
    },
    Step {
        title: "The same command once more: answered again, not obeyed again.",
        to: To::Device("demo-plug"),
        command: r#"{"action":"start","target":{"device":{"device_id":"plug"}}}"#,
        request: "plug-on",
        expected: Expected {
            from: &["demo-plug"],
            status: 200,
            results: "",
            text: "",
            device: Some((DeviceName::Plug, r#"{"POWER1":"ON","POWER2":"OFF"}"#, 1)),
        },
    },
    Step {
        title: "Dim the lamp. zigbee2mqtt reports the state it has reached.",
        to: To::Device("demo-house"),
        command: r#"{"action":"set","target":{"x-iot:light":{"state":"on","level":50}}}"#,
        request: "lamp",
        expected: Expected {
            from: &["demo-house"],
            status: 200,
            results: r#"{"state":"on","level":50}"#,
            text: "",
            device: Some((DeviceName::Lamp, r#"{"state":"ON","brightness":127}"#, 1)),
        },
    },
    Step {
        title: "Cut the heater off. A Shelly switch answers with the id of the call.",
        to: To::Device("demo-heater"),
        command: r#"{"action":"deny","target":{"device":{"device_id":"heater"}}}"#,
        request: "heater",
        expected: Expected {
            from: &["demo-heater"],
            status: 200,
            results: r#"{"was_on":true}"#,
            text: "",
            device: Some((DeviceName::Heater, r#"{"output":false}"#, 1)),
        },
    },
    Step {
        title: "A note for the diary, which is only written into the log.",
        to: To::Device("demo-house"),
        command: r#"{"action":"set","target":{"x-demo:note":"the tour was here"}}"#,
        request: "diary",
        expected: Expected {
            from: &["demo-house"],
            status: 200,
            results: "",
            text: "",
            device: None,
        },
    },
    Step {
        title: "A spelling mistake: the answer points at it.",
        to: To::Device("demo-plug"),
        command: r#"{"action":"stopp","target":{"device":{"device_id":"plug"}}}"#,
        request: "mistake",
        expected: Expected {
            from: &["demo-plug"],
            status: 400,
            results: "",
            text: "/body/openc2/request/action",
            device: Some((DeviceName::Plug, r#"{"POWER1":"ON"}"#, 1)),
        },
    },
    Step {
        title: "Something that nobody here can do.",
        to: To::Device("demo-house"),
        command: r#"{"action":"detonate","target":{"file":{"name":"invoice.exe"}}}"#,
        request: "detonate",
        expected: Expected {
            from: &["demo-house"],
            status: 501,
            results: "",
            text: "",
            device: None,
        },
    },
    Step {
        title: "Switch the plug off and say nothing of it (response_requested: none).",
        to: To::Device("demo-plug"),
        command: r#"{"action":"stop","target":{"device":{"device_id":"plug"}},"args":{"response_requested":"none"}}"#,
        request: "plug-off",
        expected: Expected {
            from: &[],
            status: 0,
            results: "",
            text: "",
            device: Some((DeviceName::Plug, r#"{"POWER1":"OFF","POWER2":"OFF"}"#, 2)),
        },
    },
];
