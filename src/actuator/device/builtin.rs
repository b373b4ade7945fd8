//! The maps that come with the bridge.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::config::{MapConfig, read_maps};

/// Each map by its name, as it is written.
pub const SOURCES: [(&str, &str); 4] = [
    ("homeassistant", include_str!("../../../maps/homeassistant.toml")),
    ("shelly", include_str!("../../../maps/shelly.toml")),
    ("tasmota", include_str!("../../../maps/tasmota.toml")),
    ("zigbee2mqtt", include_str!("../../../maps/zigbee2mqtt.toml")),
];

/// The maps that come with the bridge, by name.
#[must_use]
pub fn maps() -> &'static BTreeMap<String, MapConfig> {
    static MAPS: LazyLock<BTreeMap<String, MapConfig>> = LazyLock::new(|| {
        let read = |(name, text)| {
            read_maps(text).unwrap_or_else(|error| panic!("the map {name} we ship: {error}"))
        };
        SOURCES.into_iter().flat_map(read).collect()
    });
    &MAPS
}
