//! What a package sets for itself: the forms of names that patterns refer to.

use serde_json::Value;

use super::package::{Content, Dialect, Opt, Package, Type};

/// The forms of names where a package sets none (JADN v1.0 CS01, section 3.1.2).
const NAMES: [(&str, &str); 3] = [
    ("$TypeName", "^[A-Z][-$A-Za-z0-9]{0,63}$"),
    ("$FieldName", "^[a-z][_A-Za-z0-9]{0,63}$"),
    ("$NSID", "^[A-Za-z][A-Za-z0-9]{0,7}$"),
];

impl Package {
    /// A pattern as it is matched: one like `$TypeName` is that of the package's `config`
    /// (CS01, annex F.1), and no regular expression.
    ///
    /// # Errors
    ///
    /// It names what no package sets.
    pub(super) fn pattern<'t>(&'t self, text: &'t str) -> Result<&'t str, String> {
        let is_name = |it: &str| it.starts_with(|it: char| it.is_ascii_alphabetic());
        if self.dialect == Dialect::Csd01 || !text.strip_prefix('$').is_some_and(is_name) {
            return Ok(text);
        }
        let default = NAMES.iter().find(|(name, _)| *name == text);
        let (name, default) = default.ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            format!("the pattern {text:?} is none of the forms of names that config has: {names}")
        })?;
        let config = self.header.members.get("config").and_then(|it| it.get(name));
        Ok(config.and_then(Value::as_str).unwrap_or(default))
    }

    /// Writes the forms of names that patterns of a type refer to into it, for use in a package that
    /// sets others.
    pub fn settle(&self, it: &mut Type) {
        let settle = |option: &mut Opt| {
            if let Opt::Pattern(text) = option
                && let Ok(settled) = self.pattern(text).map(str::to_owned)
            {
                *text = settled;
            }
        };
        it.options.iter_mut().for_each(settle);
        if let Content::Fields(fields) = &mut it.content {
            fields.iter_mut().flat_map(|it| &mut it.options).for_each(settle);
        }
    }
}
