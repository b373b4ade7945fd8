//! The `[[route]]` tables of topics.toml.

use std::collections::BTreeMap;

use toml::Value;

use super::{Source, millis, nearest_of};
use crate::actuator::ActuatorConfig;
use crate::actuator::route::{self, RouteTable};
use crate::dispatch::{House, Route};
use crate::format::{self, duration};
use crate::mqtt::topics::{TopicLevel, TopicPrefix};

/// Reads the routes, and whose name the bridge has on them. Each gets an actuator of its
/// own: `route-1`, `route-2` and so on, in the order of the file.
pub(super) fn read(
    source: &mut Source<'_>,
    prefix: &TopicPrefix,
    house: &mut House,
    actuators: &mut BTreeMap<String, ActuatorConfig>,
) {
    let own: Option<TopicLevel> =
        source.take("producer").and_then(|value| source.read("producer", value));
    house.producer = own.as_ref().map(|own| own.as_str().to_owned());
    let Some(value) = source.take("route") else { return };
    let Value::Array(routes) = value else {
        source.note("route", "route: expected [[route]] tables", None);
        return;
    };
    let first = house.consumers.first().and_then(|first| TopicLevel::try_from(&*first.id).ok());
    let Some(identity) = own.or(first) else {
        let text = "producer is missing: the identity of this bridge as a producer, where it has \
                    routes and no consumer";
        source.note("route", text, None);
        return;
    };
    for (index, value) in routes.into_iter().enumerate() {
        let path = format!("route[{index}]");
        let Some(table) = source.read::<RouteTable>(&path, value) else { continue };
        check(source, &path, &table);
        let name = format!("route-{}", index + 1);
        if actuators.contains_key(&name) {
            let text =
                format!("{path}: its actuator is {name:?}, and there is another of that name");
            source.note(&path, text, None);
        }
        let config = table.actuator(prefix, &identity);
        house.actuators.insert(name.clone(), route::face(&config.common));
        house.routes.push(Route {
            actuator: name.clone(),
            matches: table.r#match,
            identity: identity.as_str().to_owned(),
            wait_ms: millis(table.wait),
        });
        actuators.insert(name, config);
    }
}

fn check(source: &mut Source<'_>, path: &str, table: &RouteTable) {
    let RouteTable { wait, expect, .. } = table;
    if let Some((action, known)) = table.unknown_action() {
        let at = format!("{path}.match.action");
        let nearest = nearest_of(action, known);
        source.note(&at, format!("{at}: there is no action {action:?}"), nearest);
    }
    let (least, most) = RouteTable::WAIT;
    if !(least..=most).contains(wait) {
        let [given, least, most] = [*wait, least, most].map(duration::format);
        let text = format!("{path}.wait is {given}; allowed are {least} to {most}");
        source.note(&format!("{path}.wait"), text, None);
    }
    for (index, id) in expect.iter().enumerate() {
        if let Err(flaw) = format::topic_level(id) {
            let at = format!("{path}.expect[{index}]");
            source.note(&at, format!("{at}: {id:?} cannot be a consumer: {flaw}"), None);
        }
    }
}
