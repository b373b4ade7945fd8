//! Topic templates: what a command may put into a topic, and what it may not.

use std::collections::HashSet;

use super::engine::{self, Direction, Expression, Scope, TemplateError};
use super::scan::Piece;

/// Names that are the same for every command to one device.
const FIXED_NAMES: [&str; 3] = ["v", "device", "reply_src"];
/// Longest topic (MQTT v5.0, section 1.5.4).
const MAX_BYTES: usize = 65_535;

/// A compiled topic template.
#[derive(Debug)]
pub(super) struct Topic {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    /// Known at start; the operator's, and trusted with whole levels.
    Fixed(Expression),
    /// From the command; a piece of one level, and not trusted.
    Command(Expression),
}

/// What a topic template is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    /// A topic to publish to.
    Publish,
    /// A topic filter to listen on.
    Listen,
}

/// Why a topic cannot be made for a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum TopicFault {
    /// The command holds what must not stand in a topic.
    Command(String),
    /// The map is wrong.
    Map(TemplateError),
}

impl From<TemplateError> for TopicFault {
    fn from(error: TemplateError) -> Self {
        Self::Map(error)
    }
}

impl Topic {
    pub(super) fn compile(template: &str, purpose: Use) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        // The template with a harmless character for each expression.
        let mut skeleton = String::new();
        for piece in engine::pieces(template)? {
            match piece {
                Piece::Text(text) => {
                    skeleton.push_str(text);
                    parts.push(Part::Literal(text.to_owned()));
                }
                Piece::Expression(code) => {
                    skeleton.push('x');
                    let expression = Expression::compile(code.source, code.line, Direction::Out)?;
                    let is_fixed = expression.names().iter().all(|name| {
                        FIXED_NAMES.contains(&name.as_str()) || engine::has_global(name)
                    });
                    parts.push(if is_fixed {
                        Part::Fixed(expression)
                    } else {
                        Part::Command(expression)
                    });
                }
                Piece::Statement(_) | Piece::Comment => {
                    return Err(TemplateError::new("a topic takes {{ }} and nothing else"));
                }
            }
        }
        check_wildcards(&skeleton, purpose)?;
        Ok(Self { parts })
    }

    /// Names it looks up, those of functions included.
    pub(super) fn names(&self) -> HashSet<String> {
        self.expressions().flat_map(Expression::names).collect()
    }

    /// Whether it is the same for every command to one device, and no wildcard either.
    pub(super) fn is_one_topic(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Literal(text) => !text.contains(['+', '#']),
            Part::Fixed(_) => true,
            Part::Command(_) => false,
        })
    }

    /// The topic for one command.
    pub(super) fn render(&self, scope: &Scope) -> Result<String, TopicFault> {
        let mut topic = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => topic.push_str(text),
                Part::Fixed(expression) => topic.push_str(&fixed(expression, scope)?),
                Part::Command(expression) => {
                    let value = expression.text(scope)?;
                    let is_bad = |c: char| matches!(c, '/' | '+' | '#') || c.is_control();
                    let starts_system_topic = topic.is_empty() && value.starts_with('$');
                    if value.is_empty() || value.contains(is_bad) || starts_system_topic {
                        let text =
                            format!("{} is {value:?}: no part of a topic", expression.source());
                        return Err(TopicFault::Command(text));
                    }
                    topic.push_str(&value);
                }
            }
        }
        if topic.len() > MAX_BYTES {
            return Err(TopicFault::Command("the topic would be too long".to_owned()));
        }
        Ok(topic)
    }

    /// The filter that takes in the topics of all commands: levels that a command fills in are `+`.
    pub(super) fn filter(&self, scope: &Scope) -> Result<String, TemplateError> {
        // A character that is in no topic marks what the command fills in.
        const BY_COMMAND: char = '\0';
        let mut marked = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => marked.push_str(text),
                Part::Fixed(expression) => marked.push_str(&fixed(expression, scope)?),
                Part::Command(_) => marked.push(BY_COMMAND),
            }
        }
        let level = |level: &str| {
            if level.contains(BY_COMMAND) { "+".to_owned() } else { level.to_owned() }
        };
        Ok(marked.split('/').map(level).collect::<Vec<_>>().join("/"))
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Fixed(expression) | Part::Command(expression) => Some(expression),
        })
    }
}

fn fixed(expression: &Expression, scope: &Scope) -> Result<String, TemplateError> {
    let value = expression.text(scope)?;
    if value.contains(|c: char| matches!(c, '+' | '#') || c.is_control()) {
        let reason = format!("{} is {value:?}: no part of a topic", expression.source());
        return Err(TemplateError::new(reason));
    }
    Ok(value)
}

fn check_wildcards(skeleton: &str, purpose: Use) -> Result<(), TemplateError> {
    let levels: Vec<&str> = skeleton.split('/').collect();
    let last = levels.len() - 1;
    for (at, level) in levels.into_iter().enumerate() {
        let is_whole_wildcard = level == "+" || (level == "#" && at == last);
        let has_wildcard = level.contains(['+', '#']);
        if level.contains(char::is_control) {
            return Err(TemplateError::new("a topic has no control characters"));
        }
        match purpose {
            Use::Publish if has_wildcard => {
                return Err(TemplateError::new("a topic to publish to has no + and no #"));
            }
            Use::Listen if has_wildcard && !is_whole_wildcard => {
                return Err(TemplateError::new("+ is a whole level, and # the last one"));
            }
            Use::Publish | Use::Listen => {}
        }
    }
    Ok(())
}

/// Whether a topic filter takes in a topic (MQTT v5.0, section 4.7).
pub(super) fn takes_in(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(name: &str) -> Scope {
        Scope::new([
            ("v", json!({"base": "house/zigbee", "bad": "a+b"})),
            ("target", json!({"name": name})),
            ("seq", json!(7)),
        ])
    }

    #[test]
    fn a_command_fills_in_one_level_and_no_more() {
        let topic =
            Topic::compile("{{ v.base }}/n-{{ target.name }}/{{ seq }}/set", Use::Publish).unwrap();
        assert_eq!(topic.render(&scope("lamp")), Ok("house/zigbee/n-lamp/7/set".to_owned()));
        assert_eq!(topic.filter(&scope("lamp")), Ok("house/zigbee/+/+/set".to_owned()));

        for name in ["", "a/b", "+", "a#", "a\0", "a\nb"] {
            let fault = topic.render(&scope(name)).unwrap_err();
            assert!(
                matches!(&fault, TopicFault::Command(text) if text.contains("target.name")),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn a_command_cannot_reach_the_topics_of_the_broker() {
        let topic = Topic::compile("{{ target.name }}/set", Use::Publish).unwrap();
        assert!(matches!(topic.render(&scope("$SYS")), Err(TopicFault::Command(_))));
        assert_eq!(topic.render(&scope("a$")), Ok("a$/set".to_owned()));
    }

    #[test]
    fn the_operators_own_part_has_no_wildcards_either() {
        let topic = Topic::compile("{{ v.bad }}/set", Use::Publish).unwrap();
        assert!(matches!(topic.render(&scope("lamp")), Err(TopicFault::Map(_))));
        topic.filter(&scope("lamp")).unwrap_err();
    }

    #[test]
    fn wildcards_stand_where_they_may() {
        #[rustfmt::skip]
        let cases = [
            (Use::Listen,  "a/+/b",        true),
            (Use::Listen,  "a/#",          true),
            (Use::Listen,  "a/#/b",        false),
            (Use::Listen,  "a/b+",         false),
            (Use::Listen,  "a/{{ v.x }}+", false),
            (Use::Publish, "a/+/b",        false),
            (Use::Publish, "a/{% if v.x %}b{% endif %}", false),
            (Use::Publish, "a/b",          true),
        ];
        for (purpose, template, good) in cases {
            assert_eq!(Topic::compile(template, purpose).is_ok(), good, "{purpose:?} {template}");
        }
    }

    #[test]
    fn filters_take_in_what_the_standard_says() {
        #[rustfmt::skip]
        let cases = [
            ("a/b",   "a/b",    true),
            ("a/b",   "a/b/c",  false),
            ("a/b/c", "a/b",    false),
            ("a/+/c", "a/b/c",  true),
            ("a/+",   "a",      false),
            ("a/+",   "a/",     true),
            ("a/#",   "a",      true),
            ("a/#",   "a/b/c",  true),
            ("#",     "$SYS/x", false),
            ("+/x",   "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
        ];
        for (filter, topic, takes) in cases {
            assert_eq!(takes_in(filter, topic), takes, "{filter} {topic}");
        }
    }
}
