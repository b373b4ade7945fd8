//! A package as a schema file of its own dialect.

use serde_json::{Value, json};

use super::package::{Content, Dialect, Field, Opt, Package, Type};

impl Package {
    /// The schema file as JSON. What was read is written the same.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let header = if self.dialect == Dialect::Cs01 { "info" } else { "meta" };
        let types: Vec<_> = self.types.iter().map(|it| self.write(it)).collect();
        json!({ header: self.header.members, "types": types })
    }

    fn write(&self, it: &Type) -> Value {
        let options = self.options(&it.options);
        let mut parts =
            vec![json!(it.name), json!(it.base.as_str()), options, json!(it.description)];
        match &it.content {
            Content::Nothing if self.dialect == Dialect::Csd01 => {}
            Content::Nothing => parts.push(json!([])),
            Content::Items(items) => {
                let items = items.iter().map(|it| json!([it.id, it.name, it.description]));
                parts.push(items.collect());
            }
            Content::Fields(fields) => {
                parts.push(fields.iter().map(|field| self.field(field)).collect());
            }
        }
        parts.into()
    }

    fn field(&self, it: &Field) -> Value {
        json!([it.id, it.name, it.type_name, self.options(&it.options), it.description])
    }

    fn options(&self, options: &[Opt]) -> Value {
        options.iter().filter_map(|option| self.dialect.letters(option)).collect()
    }
}
