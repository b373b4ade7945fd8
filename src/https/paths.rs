//! What there is at the door: the table by which requests find their way, and which
//! openapi.json describes.

use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::WELL_KNOWN;
use super::problem::Problem;

/// What a path leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Where commands are posted.
    Post,
    /// What became of commands.
    Commands,
    /// What became of one.
    Command,
    /// The same, as it happens.
    Events,
    /// Who was heard on the broker.
    Consumers,
    /// What all of this is, as `OpenAPI` has it.
    Description,
}

/// A path of the door.
#[derive(Debug)]
pub(super) struct Path {
    pub place: Place,
    /// As `OpenAPI` writes it: `{id}` is any text without a slash.
    pub template: &'static str,
    /// As `Allow` lists them.
    pub methods: &'static str,
    /// What is said to any other method.
    otherwise: &'static str,
}

/// What stands in a template for the name of a command.
const ID: &str = "{id}";

const READ_ONLY: &str = "it can only be read";

/// All of them.
pub(super) const PATHS: [Path; 6] = [
    Path {
        place: Place::Post,
        template: WELL_KNOWN,
        methods: "POST",
        otherwise: "commands are posted",
    },
    Path { place: Place::Commands, template: "/v1/commands", methods: "GET", otherwise: READ_ONLY },
    Path {
        place: Place::Command,
        template: "/v1/commands/{id}",
        methods: "GET, DELETE",
        otherwise: "it can be read, and taken back",
    },
    Path {
        place: Place::Events,
        template: "/v1/commands/{id}/events",
        methods: "GET",
        otherwise: READ_ONLY,
    },
    Path {
        place: Place::Consumers,
        template: "/v1/consumers",
        methods: "GET",
        otherwise: READ_ONLY,
    },
    Path {
        place: Place::Description,
        template: "/v1/openapi.json",
        methods: "GET",
        otherwise: READ_ONLY,
    },
];

/// Where a request leads, and the name in its path; else what is wrong with it.
pub(super) fn find(head: &Parts) -> Result<(Place, &str), Problem> {
    let path = head.uri.path();
    let Some((found, id)) = PATHS.iter().find_map(|it| Some((it, it.id_in(path)?))) else {
        let detail = format!("commands are posted to {WELL_KNOWN}, and asked after under /v1/");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    if !found.admits(&head.method) {
        let header = Some((header::ALLOW, HeaderValue::from_static(found.methods)));
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, found.otherwise);
        return Err(Problem { header, ..problem });
    }
    Ok((found.place, id))
}

impl Path {
    /// The name in a path that is like this; empty where there is none in the template.
    fn id_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some((before, after)) = self.template.split_once(ID) else {
            return (path == self.template).then_some("");
        };
        let id = path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.is_empty() && !id.contains('/')).then_some(id)
    }

    fn admits(&self, method: &Method) -> bool {
        self.methods.split(", ").any(|it| it == method.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hyper::Request;
    use serde_json::Value;

    use super::super::description;
    use super::*;

    fn found(method: &str, path: &str) -> Result<(Place, String), StatusCode> {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let (head, ()) = request.into_parts();
        find(&head).map(|(place, id)| (place, id.to_owned())).map_err(|problem| problem.status)
    }

    #[test]
    fn each_path_leads_to_its_place() {
        let to = |place, id: &str| Ok((place, id.to_owned()));
        #[rustfmt::skip]
        let cases = [
            ("POST",   "/.well-known/openc2",       to(Place::Post, "")),
            ("GET",    "/.well-known/openc2",       Err(405)),
            ("POST",   "/.well-known/openc2/",      Err(404)),
            ("GET",    "/v1/commands",              to(Place::Commands, "")),
            ("GET",    "/v1/commands?limit=1",      to(Place::Commands, "")),
            ("GET",    "/v1/commands/",             Err(404)),
            ("GET",    "/v1/commands/a",            to(Place::Command, "a")),
            ("DELETE", "/v1/commands/a",            to(Place::Command, "a")),
            ("HEAD",   "/v1/commands/a",            Err(405)),
            ("GET",    "/v1/commands/a/events",     to(Place::Events, "a")),
            ("DELETE", "/v1/commands/a/events",     Err(405)),
            ("GET",    "/v1/commands//events",      Err(404)),
            ("GET",    "/v1/commands/a/b/events",   Err(404)),
            ("GET",    "/v1/commands/events",       to(Place::Command, "events")),
            ("GET",    "/v1/consumers",             to(Place::Consumers, "")),
            ("GET",    "/v1/openapi.json",          to(Place::Description, "")),
            ("GET",    "/v1",                       Err(404)),
            ("GET",    "/V1/commands",              Err(404)),
        ];
        for (method, path, expected) in cases {
            let code = |status: StatusCode| status.as_u16();
            assert_eq!(found(method, path).map_err(code), expected, "{method} {path}");
        }
    }

    /// Every path and method of the door is described, and nothing else is.
    #[test]
    fn the_description_has_what_there_is() {
        let description: Value = serde_json::from_str(description::TEXT).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let described: BTreeSet<(&str, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let members = item.as_object().unwrap().keys();
                let methods =
                    members.filter(|it| !["parameters", "summary"].contains(&it.as_str()));
                methods.map(|method| (path.as_str(), method.to_uppercase()))
            })
            .collect();
        let there: BTreeSet<(&str, String)> = PATHS
            .iter()
            .flat_map(|path| path.methods.split(", ").map(|it| (path.template, it.to_owned())))
            .collect();
        assert_eq!(described, there);
    }
}
