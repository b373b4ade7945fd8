//! Expressions and texts of maps: the only file that names minijinja.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use minijinja::value::{Serde, merge_maps};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value as Json;

use super::scan::{self, Piece};

/// Work that one template may cause: about as many instructions, or 64 times as many bytes.
pub(super) const FUEL: u64 = 20_000;
/// Deepest nesting of macros, loops and the like in one template.
const RECURSION: usize = 50;

/// For what goes out: a name that nobody gave is an error.
static STRICT: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Strict));
/// For what comes in: `json.a.b` of a reply without `a` is merely not there.
static CHAINABLE: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Chainable));

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    // The name of a template says nothing of what is in it.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

/// Which way a template looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    /// To the device: undefined names are errors.
    Out,
    /// From the device: undefined names are just that.
    In,
}

impl Direction {
    fn environment(self) -> &'static Environment<'static> {
        match self {
            Self::Out => &STRICT,
            Self::In => &CHAINABLE,
        }
    }
}

/// What is wrong with a template, before or while it is used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) struct TemplateError {
    /// For people.
    pub reason: String,
    /// Line of the template, the first is 1; where it is known.
    pub line: Option<usize>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) if line > 1 => write!(f, "line {line}: {}", self.reason),
            _ => f.write_str(&self.reason),
        }
    }
}

impl TemplateError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), line: None }
    }

    /// An error in code that begins in line `first` of its template.
    fn of(error: &Error, first: usize) -> Self {
        let reason = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => format!("takes more than {FUEL} steps"),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        let line = error.line().map(|line| line.max(1) + first - 1);
        Self { reason, line }
    }
}

/// Names and their values, as templates see them.
#[derive(Clone, Debug)]
pub(super) struct Scope(minijinja::Value);

impl Scope {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = (&'a str, Json)>) -> Self {
        let names: BTreeMap<String, minijinja::Value> = names
            .into_iter()
            .map(|(name, value)| (name.to_owned(), minijinja::Value::from(Serde(&value))))
            .collect();
        Self(minijinja::Value::from(names))
    }

    /// This scope and more; what is new hides what was there.
    pub(super) fn with<'a>(&self, names: impl IntoIterator<Item = (&'a str, Json)>) -> Self {
        Self(merge_maps([self.0.clone(), Self::new(names).0]))
    }
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    direction: Direction,
    first_line: usize,
    source: String,
}

impl Expression {
    pub(super) fn compile(
        source: &str,
        first_line: usize,
        direction: Direction,
    ) -> Result<Self, TemplateError> {
        let compiled = direction
            .environment()
            .compile_expression_owned(source.to_owned())
            .map_err(|error| TemplateError::of(&error, first_line))?;
        Ok(Self { compiled, direction, first_line, source: source.trim().to_owned() })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Names it looks up, those of functions included.
    pub(super) fn names(&self) -> HashSet<String> {
        self.compiled.undeclared_variables(false)
    }

    /// Whether it holds. An undefined value does not.
    pub(super) fn holds(&self, scope: &Scope) -> Result<bool, TemplateError> {
        Ok(self.eval(scope)?.is_true())
    }

    /// Its value with its type; `None` where it is undefined.
    pub(super) fn value(&self, scope: &Scope) -> Result<Option<Json>, TemplateError> {
        let value = self.eval(scope)?;
        if value.is_undefined() {
            return Ok(None);
        }
        serde_json::to_value(&value).map(Some).map_err(|error| TemplateError {
            reason: format!("{} cannot be written as JSON: {error}", self.source),
            line: Some(self.first_line),
        })
    }

    /// Its value as text; an undefined one is nothing coming in, and an error going out.
    pub(super) fn text(&self, scope: &Scope) -> Result<String, TemplateError> {
        let value = self.eval(scope)?;
        if value.is_undefined() && self.direction == Direction::Out {
            return Err(TemplateError {
                reason: format!("{} is undefined", self.source),
                line: Some(self.first_line),
            });
        }
        Ok(value.to_string())
    }

    fn eval(&self, scope: &Scope) -> Result<minijinja::Value, TemplateError> {
        self.compiled.eval(scope.0.clone()).map_err(|error| {
            let error = TemplateError::of(&error, self.first_line);
            TemplateError { reason: format!("{}: {}", self.source, error.reason), ..error }
        })
    }
}

/// A compiled text with expressions, and perhaps statements, in it.
#[derive(Debug)]
pub(super) struct Text(Kind);

#[derive(Debug)]
enum Kind {
    /// The usual case.
    Pieces(Vec<TextPiece>),
    /// A text with `{% %}`; a compiled template only lives in an environment.
    Program(Box<Environment<'static>>),
}

#[derive(Debug)]
enum TextPiece {
    Literal(String),
    Expression(Expression),
}

/// Name of the one template in the environment of a [`Kind::Program`].
const PROGRAM: &str = "text";

impl Text {
    pub(super) fn compile(template: &str, direction: Direction) -> Result<Self, TemplateError> {
        let pieces = pieces(template)?;
        let plain = |piece: &Piece| matches!(piece, Piece::Text(_) | Piece::Expression(_));
        if !pieces.iter().all(plain) {
            let mut environment = direction.environment().clone();
            environment
                .add_template_owned(PROGRAM, template.to_owned())
                .map_err(|error| TemplateError::of(&error, 1))?;
            return Ok(Self(Kind::Program(Box::new(environment))));
        }
        let compile = |piece: &Piece| match piece {
            Piece::Expression(code) => {
                Expression::compile(code.source, code.line, direction).map(TextPiece::Expression)
            }
            Piece::Text(text) => Ok(TextPiece::Literal((*text).to_owned())),
            Piece::Statement(_) | Piece::Comment => Ok(TextPiece::Literal(String::new())),
        };
        Ok(Self(Kind::Pieces(pieces.iter().map(compile).collect::<Result<_, _>>()?)))
    }

    /// Names it looks up, those of functions included.
    pub(super) fn names(&self) -> HashSet<String> {
        match &self.0 {
            Kind::Pieces(pieces) => pieces
                .iter()
                .filter_map(|piece| match piece {
                    TextPiece::Expression(expression) => Some(expression.names()),
                    TextPiece::Literal(_) => None,
                })
                .flatten()
                .collect(),
            Kind::Program(environment) => environment
                .get_template(PROGRAM)
                .map(|template| template.undeclared_variables(false))
                .unwrap_or_default(),
        }
    }

    pub(super) fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        match &self.0 {
            Kind::Pieces(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    TextPiece::Literal(text) => Ok(text.clone()),
                    TextPiece::Expression(expression) => expression.text(scope),
                })
                .collect(),
            Kind::Program(environment) => environment
                .get_template(PROGRAM)
                .and_then(|template| template.render(scope.0.clone()))
                .map_err(|error| TemplateError::of(&error, 1)),
        }
    }
}

/// Takes a template apart, and says so where that cannot be done.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    scan::pieces(template).map_err(|unclosed| TemplateError {
        reason: "syntax error: opened here and never closed".to_owned(),
        line: Some(unclosed.line),
    })
}

/// Whether the engine has a filter of this name.
pub(super) fn has_filter(name: &str) -> bool {
    knows("name is filter", name)
}

/// Whether the engine has a test of this name.
pub(super) fn has_test(name: &str) -> bool {
    knows("name is test", name)
}

/// Whether the engine has a function, or another global value, of this name.
pub(super) fn has_global(name: &str) -> bool {
    STRICT.globals().any(|(global, _)| global == name)
}

fn knows(question: &str, name: &str) -> bool {
    Expression::compile(question, 1, Direction::Out)
        .and_then(|question| question.holds(&Scope::new([("name", Json::from(name))])))
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(source: &str, direction: Direction) -> Result<Option<Json>, String> {
        let scope = Scope::new([("n", json!(7)), ("o", json!({"a": 1.5, "t": "x\"y"}))]);
        Expression::compile(source, 1, direction)
            .and_then(|expression| expression.value(&scope))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_expression_keeps_its_type() {
        #[rustfmt::skip]
        let cases = [
            ("n",                    json!(7)),
            ("n == 7",               json!(true)),
            ("o.a",                  json!(1.5)),
            ("(n * 254 / 100)|round|int", json!(18)),
            ("o.t",                  json!("x\"y")),
            ("[n, none]",            json!([7, null])),
            ("o",                    json!({"a": 1.5, "t": "x\"y"})),
        ];
        for (source, expected) in cases {
            assert_eq!(value(source, Direction::Out), Ok(Some(expected)), "{source}");
        }
        assert_eq!(value("o.nothing", Direction::Out), Ok(None));
        assert_eq!(value("n if false", Direction::Out), Ok(None));
    }

    #[test]
    fn undefined_names_are_errors_going_out_and_nothing_coming_in() {
        assert!(value("o.b.c", Direction::Out).unwrap_err().contains("undefined"));
        assert_eq!(value("o.b.c", Direction::In), Ok(None));
        assert_eq!(value("o.b.c == 1", Direction::In), Ok(Some(json!(false))));
    }

    #[test]
    fn a_loop_in_a_loop_runs_out_of_fuel() {
        let template =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        let text = Text::compile(template, Direction::Out).unwrap();
        let error = text.render(&Scope::new([])).unwrap_err();
        assert_eq!(error.reason, "takes more than 20000 steps");

        let text = Expression::compile("'x' * 100000000", 1, Direction::Out).unwrap();
        let error = text.text(&Scope::new([])).unwrap_err();
        assert!(error.reason.contains("takes more than"), "{error}");
    }

    #[test]
    fn the_engine_says_what_it_knows() {
        assert!(has_filter("upper") && !has_filter("uper"));
        assert!(has_test("defined") && !has_test("defind"));
        assert!(has_global("range") && !has_global("open"));
    }

    #[test]
    fn errors_carry_the_line_of_the_template() {
        let error = Text::compile("a\nb {{ c + }}", Direction::Out).unwrap_err();
        assert_eq!(error.line, Some(2), "{error}");
        let error = Text::compile("a\n{% if x %}\n{% endfor %}", Direction::Out).unwrap_err();
        assert_eq!(error.line, Some(3), "{error}");
    }
}
