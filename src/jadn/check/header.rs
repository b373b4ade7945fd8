//! What a schema says of itself.

use serde_json::Value;

use super::Checker;
use crate::jadn::Problem;
use crate::jadn::package::Dialect;
use crate::jadn::pattern::{Pattern, Room};

/// Bounds that a package sets (CS01, section 3.1.3).
const SIZES: [&str; 3] = ["$MaxBinary", "$MaxString", "$MaxElements"];
/// Forms of names that a package sets (CS01, section 3.1.2).
const NAMES: [&str; 3] = ["$TypeName", "$FieldName", "$NSID"];
/// What `info` holds (CS01, section 6).
const INFO: [&str; 10] = [
    "package",
    "version",
    "title",
    "description",
    "comment",
    "copyright",
    "license",
    "namespaces",
    "exports",
    "config",
];

impl Checker<'_> {
    pub(super) fn header(&mut self) {
        let members = &self.package().header.members;
        if self.package().dialect == Dialect::Cs01 {
            match members.get("package") {
                None => self.bad_header("info.package is missing"),
                Some(Value::String(_)) => {}
                Some(_) => self.bad_header("info.package is no text"),
            }
            for name in members.keys().filter(|name| !INFO.contains(&name.as_str())) {
                let reason = format!("info.{name} is no part of the header in CS01");
                self.found.warnings.push(Problem::of_file(reason));
            }
            if let Some(namespaces) = members.get("namespaces") {
                let is_map =
                    |it: &Value| it.as_object().is_some_and(|it| it.values().all(Value::is_string));
                if !is_map(namespaces) {
                    self.bad_header(
                        "info.namespaces is no object that leads to the names of packages",
                    );
                }
            }
        }
        if let Some(exports) = members.get("exports") {
            self.exports(exports);
        }
        if let Some(bounds) = members.get("bounds") {
            let is_size = |it: &Value| it.as_u64().is_some_and(|it| it > 0);
            if !bounds.as_array().is_some_and(|it| it.len() == 4 && it.iter().all(is_size)) {
                self.bad_header("meta.bounds is no array of four sizes above zero");
            }
        }
        if let Some(config) = members.get("config") {
            self.config(config);
        }
    }

    fn bad_header(&mut self, reason: impl Into<String>) {
        self.found.problems.push(Problem::of_file(reason));
    }

    fn exports(&mut self, exports: &Value) {
        let Some(exports) = exports.as_array() else {
            return self.bad_header("exports is no array of the names of types");
        };
        for name in exports {
            match name.as_str() {
                None => {
                    self.bad_header(format!("exports holds {name}, which is no name of a type"));
                }
                Some(name) if self.types.contains_key(name) || self.undefined.contains(name) => {}
                Some(name) => {
                    self.bad_header(format!("exports names {name:?}, and no such type is defined"));
                }
            }
        }
    }

    fn config(&mut self, config: &Value) {
        let Some(config) = config.as_object() else {
            return self.bad_header("config is no object");
        };
        for (name, value) in config {
            let reason = match name.as_str() {
                name if SIZES.contains(&name) => match value.as_u64() {
                    Some(size) if u32::try_from(size).is_ok_and(|size| size > 0) => continue,
                    _ => {
                        format!("config.{name} is {value}, expected a size from 1 to {}", u32::MAX)
                    }
                },
                name if NAMES.contains(&name) => {
                    match value.as_str().map(|it| Pattern::new(it, &mut Room::default())) {
                        Some(Ok(_)) => continue,
                        Some(Err(reason)) => format!("config.{name}: {reason}"),
                        None => format!("config.{name} is {value}, expected a pattern"),
                    }
                }
                "$Sys" => match value.as_str() {
                    Some(text) if text.chars().count() == 1 => continue,
                    _ => format!("config.$Sys is {value}, expected one character"),
                },
                // The published 1.0.1 files have $FS.
                name if self.package().dialect == Dialect::Transitional => {
                    let reason = format!("config.{name} is not known");
                    self.found.warnings.push(Problem::of_file(reason));
                    continue;
                }
                name => format!("config.{name} is not known"),
            };
            self.bad_header(reason);
        }
    }
}
