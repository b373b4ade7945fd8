//! JSON with typed leaves: how a command gets into a payload without ever being pasted into text.

use serde_json::{Map, Value};

use super::engine::{Expression, Scope, TemplateError, Text};

/// A JSON value, some of whose texts are templates.
#[derive(Debug)]
pub(super) enum Shape {
    /// Stands for itself.
    Fixed(Value),
    /// A text that is one `{{ }}`: the value, with its type. Undefined: left out.
    Typed(Expression),
    /// A text with `{{ }}` in it: always a text.
    Text(Text),
    /// A list of shapes.
    List(Vec<Shape>),
    /// A table of shapes; names may be templates.
    Table(Vec<(Text, Shape)>),
}

impl Shape {
    /// The JSON value; `None` where it is undefined as a whole.
    pub(super) fn render(&self, scope: &Scope) -> Result<Option<Value>, TemplateError> {
        Ok(Some(match self {
            Self::Fixed(value) => value.clone(),
            Self::Typed(expression) => return expression.value(scope),
            Self::Text(text) => Value::String(text.render(scope)?),
            Self::List(items) => {
                let items = items.iter().filter_map(|item| item.render(scope).transpose());
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Self::Table(members) => Value::Object(render_table(members, scope)?),
        }))
    }
}

fn render_table(
    members: &[(Text, Shape)],
    scope: &Scope,
) -> Result<Map<String, Value>, TemplateError> {
    let mut table = Map::new();
    for (name, shape) in members {
        if let Some(value) = shape.render(scope)? {
            table.insert(name.render(scope)?, value);
        }
    }
    Ok(table)
}
