//! A schema as JSON Schema, draft 2020-12, of the verbose JSON form.

use serde_json::{Map, Value, json};

use super::compile::MAX_INTEGER;
use super::formats::{NetForm, OctetForm};
use super::table::{FieldRow, MembersKind, NodeId, Schema, Shape, Sizes};

/// Six or eight octets with colons.
const EUI: &str = "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}((:[0-9A-Fa-f]{2}){2})?$";
/// RFC 4648, section 5, without padding and without bits that no octet needs.
const BASE64URL: &str =
    "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$";
const IPV4: &str = "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

impl Schema {
    /// The JSON Schema whose instances are the values of a type.
    ///
    /// It says what JSON Schema can say. A value whose tag chooses its type is
    /// checked by `if`, and sizes of binary values by characters.
    #[must_use]
    pub fn to_json_schema(&self, root: NodeId) -> Value {
        let mut definitions = Map::new();
        let mut wanted = vec![root];
        while let Some(node) = wanted.pop() {
            let name = self.name(node);
            if !definitions.contains_key(name) {
                definitions.insert(name.to_owned(), Value::Null);
                let value = self.described(node, &mut wanted);
                definitions.insert(name.to_owned(), value);
            }
        }
        definitions.sort_keys();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": reference(self.name(root)),
            "$defs": definitions,
        })
    }

    /// A node by reference where it has a name that others share, else in place.
    fn used(&self, node: NodeId, wanted: &mut Vec<NodeId>) -> Value {
        let name = self.name(node);
        if self.type_named(name) == Some(node) {
            wanted.push(node);
            return json!({ "$ref": reference(name) });
        }
        self.described(node, wanted)
    }

    fn described(&self, node: NodeId, wanted: &mut Vec<NodeId>) -> Value {
        match &self.node(node).shape {
            Shape::Any => json!(true),
            Shape::Never => json!(false),
            Shape::Null => json!({ "type": "null" }),
            Shape::Boolean => json!({ "type": "boolean" }),
            Shape::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            Shape::WideInteger { min, max } => wide_integer(*min, *max),
            Shape::Number { min, max } => {
                let mut members = Map::from_iter([("type".to_owned(), json!("number"))]);
                if min.is_finite() {
                    members.insert("minimum".to_owned(), json!(min));
                }
                if max.is_finite() {
                    members.insert("maximum".to_owned(), json!(max));
                }
                members.into()
            }
            Shape::Text { chars, format, pattern } => {
                let mut members = Map::from_iter([("type".to_owned(), json!("string"))]);
                bounded(&mut members, "Length", *chars);
                match format.map(|it| it.name) {
                    Some("eui") => members.insert("pattern".to_owned(), json!(EUI)),
                    Some("ipv4-net") => members.insert("pattern".to_owned(), net(NetForm::Ipv4)),
                    Some("ipv6-net") => members.insert("pattern".to_owned(), net(NetForm::Ipv6)),
                    Some(name) => members.insert("format".to_owned(), json!(name)),
                    None => None,
                };
                if let Some(pattern) = pattern.and_then(|at| self.patterns.get(at as usize)) {
                    members.insert("pattern".to_owned(), json!(pattern.as_str()));
                }
                members.into()
            }
            Shape::Octets { octets, form } => of_octets(*octets, *form),
            Shape::Enumerated { items, by_id } => {
                let items = self.items(*items).iter();
                let values: Vec<_> =
                    items.map(|it| if *by_id { json!(it.id) } else { json!(it.name) }).collect();
                json!({ "enum": values })
            }
            Shape::Net { form } => json!({ "type": "string", "pattern": net(*form) }),
            Shape::Choice { fields, by_id } => {
                let fields = self.schema_of_fields(self.fields(*fields), *by_id, wanted);
                json!({
                    "type": "object", "properties": fields, "additionalProperties": false,
                    "minProperties": 1, "maxProperties": 1,
                })
            }
            Shape::Members { kind: MembersKind::Array, fields, count, .. } => {
                let fields = self.fields(*fields);
                let items: Vec<_> = fields
                    .iter()
                    .map(|field| {
                        let value = self.used(field.node, wanted);
                        if field.is_required {
                            value
                        } else {
                            json!({"anyOf": [value, {"type": "null"}]})
                        }
                    })
                    .collect();
                let least = fields.iter().rposition(|it| it.is_required).map_or(0, |at| at + 1);
                json!({
                    "type": "array", "prefixItems": items, "items": false,
                    "minItems": least.max(count.min as usize),
                })
            }
            Shape::Members { kind, fields, count, .. } => {
                let by_id = *kind == MembersKind::Map { by_id: true };
                self.members_schema(self.fields(*fields), by_id, *count, wanted)
            }
            Shape::List { element, count, is_set } => {
                let mut members = Map::from_iter([
                    ("type".to_owned(), json!("array")),
                    ("items".to_owned(), self.used(*element, wanted)),
                ]);
                bounded(&mut members, "Items", *count);
                if *is_set {
                    members.insert("uniqueItems".to_owned(), json!(true));
                }
                members.into()
            }
            Shape::Mapping { key, value, count } => {
                let mut members = Map::from_iter([
                    ("type".to_owned(), json!("object")),
                    ("propertyNames".to_owned(), self.used(*key, wanted)),
                    ("additionalProperties".to_owned(), self.used(*value, wanted)),
                ]);
                bounded(&mut members, "Properties", *count);
                members.into()
            }
        }
    }

    fn members_schema(
        &self,
        fields: &[FieldRow],
        by_id: bool,
        count: Sizes,
        wanted: &mut Vec<NodeId>,
    ) -> Value {
        let required: Vec<_> = fields
            .iter()
            .filter(|field| field.is_required && field.tag.is_none())
            .map(|field| key(field, by_id))
            .collect();
        let mut members = Map::from_iter([
            ("type".to_owned(), json!("object")),
            ("properties".to_owned(), self.schema_of_fields(fields, by_id, wanted)),
            ("additionalProperties".to_owned(), json!(false)),
        ]);
        if !required.is_empty() {
            members.insert("required".to_owned(), json!(required));
        }
        if count.min > 0 {
            members.insert("minProperties".to_owned(), json!(count.min));
        }
        let tagged: Vec<_> =
            fields.iter().flat_map(|it| self.alternatives(fields, it, by_id, wanted)).collect();
        if !tagged.is_empty() {
            members.insert("allOf".to_owned(), json!(tagged));
        }
        members.into()
    }

    /// What the value of a tagged field must be, for each value of its tag.
    fn alternatives(
        &self,
        fields: &[FieldRow],
        field: &FieldRow,
        by_id: bool,
        wanted: &mut Vec<NodeId>,
    ) -> Vec<Value> {
        let Some(tag) = field.tag.and_then(|at| fields.get(at as usize)) else { return Vec::new() };
        let Shape::Choice { fields: alternatives, .. } = &self.node(field.node).shape else {
            return Vec::new();
        };
        let alternatives = self.fields(*alternatives);
        let mut rules = Vec::with_capacity(alternatives.len());
        for alternative in alternatives {
            let name = key(field, by_id);
            let mut then = json!({
                "properties": { &name: self.used(alternative.node, wanted) },
            });
            if field.is_required {
                then["required"] = json!([name]);
            }
            let tag_name = key(tag, by_id);
            rules.push(json!({
                "if": { "properties": { &tag_name: { "const": alternative.name } }, "required": [tag_name] },
                "then": then,
            }));
        }
        rules
    }

    fn schema_of_fields(
        &self,
        fields: &[FieldRow],
        by_id: bool,
        wanted: &mut Vec<NodeId>,
    ) -> Value {
        let properties = fields.iter().map(|field| {
            let value = match field.tag {
                Some(_) => json!(true),
                None => self.used(field.node, wanted),
            };
            (key(field, by_id), value)
        });
        Value::Object(properties.collect())
    }
}

/// A number as far as JSON has it exactly, or text.
fn wide_integer(min: i128, max: i128) -> Value {
    let sign = if min < 0 { "-?" } else { "" };
    let exact =
        |bound: i128| i64::try_from(bound).unwrap_or(MAX_INTEGER).clamp(-MAX_INTEGER, MAX_INTEGER);
    let (least, most) = (exact(min.max(-i128::from(MAX_INTEGER))), exact(max));
    json!({ "anyOf": [
        { "type": "integer", "minimum": least, "maximum": most },
        { "type": "string", "pattern": format!("^(0|{sign}[1-9][0-9]*)$") },
    ] })
}

fn of_octets(octets: Sizes, form: OctetForm) -> Value {
    match form {
        OctetForm::Ipv4 => json!({ "type": "string", "format": "ipv4" }),
        OctetForm::Ipv6 => json!({ "type": "string", "format": "ipv6" }),
        OctetForm::Ip => {
            json!({ "anyOf": [
                { "type": "string", "format": "ipv4" },
                { "type": "string", "format": "ipv6" },
                // Four octets or sixteen, in base64url.
                { "type": "string", "pattern": "^([-_A-Za-z0-9]{5}[AQgw]|[-_A-Za-z0-9]{21}[AQgw])$" },
            ] })
        }
        OctetForm::Eui => json!({ "type": "string", "pattern": EUI }),
        OctetForm::Hex => of_digits(octets, "^([0-9A-Fa-f]{2})*$"),
        OctetForm::UpperHex => of_digits(octets, "^([0-9A-F]{2})*$"),
        OctetForm::Base64Url => json!({
            "type": "string", "pattern": BASE64URL,
            "minLength": (u64::from(octets.min) * 4).div_ceil(3),
            "maxLength": (u64::from(octets.max) * 4).div_ceil(3),
        }),
    }
}

fn of_digits(octets: Sizes, pattern: &str) -> Value {
    json!({
        "type": "string", "pattern": pattern,
        "minLength": u64::from(octets.min) * 2, "maxLength": u64::from(octets.max) * 2,
    })
}

fn bounded(members: &mut Map<String, Value>, what: &str, sizes: Sizes) {
    if sizes.min > 0 {
        members.insert(format!("min{what}"), json!(sizes.min));
    }
    if sizes.max < u32::MAX {
        members.insert(format!("max{what}"), json!(sizes.max));
    }
}

fn net(form: NetForm) -> Value {
    match form {
        NetForm::Ipv4 => json!(format!("^{IPV4}(/(3[0-2]|[12]?[0-9]))?$")),
        NetForm::Ipv6 => {
            json!(format!("^({})(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?$", ipv6()))
        }
    }
}

/// An IPv6 address, as the grammar of RFC 3986, section 3.2.2, writes it out.
fn ipv6() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let last = format!("({group}:{group}|{IPV4})");
    let mut forms = vec![format!("({group}:){{6}}{last}")];
    // So many groups before the two colons at most, and so many behind them.
    for before in 0..=4 {
        let head = match before {
            0 => String::new(),
            _ => format!("(({group}:){{0,{}}}{group})?", before - 1),
        };
        forms.push(format!("{head}::({group}:){{{}}}{last}", 5 - before));
    }
    forms.push(format!("(({group}:){{0,4}}{group})?::{last}"));
    forms.push(format!("(({group}:){{0,5}}{group})?::{group}"));
    forms.push(format!("(({group}:){{0,6}}{group})?::"));
    forms.join("|")
}

fn reference(name: &str) -> String {
    format!("#/$defs/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn key(field: &FieldRow, by_id: bool) -> String {
    if by_id { field.id.to_string() } else { field.name.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_of_hex_is_the_check_of_hex() {
        for (form, is_read_in_lower_case) in [(OctetForm::Hex, true), (OctetForm::UpperHex, false)]
        {
            let described = of_octets(Sizes { min: 0, max: 10 }, form);
            let pattern = described["pattern"].as_str().unwrap();
            assert_eq!(pattern.contains("a-f"), is_read_in_lower_case);
            assert_eq!(form.octets_of("0a").is_ok(), is_read_in_lower_case);
        }
    }
}
