//! A schema as tables and as a diagram, for people.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use super::package::{Base, Content, Field, Opt, Package, Type};
use super::resolve::each_name;

impl Package {
    /// Its types as tables in Markdown, as the specifications print them
    /// (`OpenC2` Language v1.1, section 2.1).
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for it in &self.types {
            table(it, &mut text);
            text.push('\n');
        }
        text
    }

    /// The same with only the types that one of them needs, itself included; `None` where it has
    /// no type of that name.
    #[must_use]
    pub fn only(&self, root: &str) -> Option<Self> {
        let types: HashMap<_, _> = self.types.iter().map(|it| (it.name.as_str(), it)).collect();
        let mut wanted = vec![types.get(root)?.name.clone()];
        let mut needed = HashSet::new();
        while let Some(name) = wanted.pop() {
            if let Some(it) = types.get(name.as_str())
                && needed.insert(&it.name)
            {
                each_name(it, &mut |name| {
                    wanted.push(name.trim_start_matches(['#', '>']).to_owned());
                });
            }
        }
        let types = self.types.iter().filter(|it| needed.contains(&it.name)).cloned().collect();
        Some(Self { dialect: self.dialect, header: self.header.clone(), types })
    }

    /// Its types as a class diagram of Mermaid.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let ids = identifiers(&self.types);
        let mut text = "classDiagram\n".to_owned();
        for it in &self.types {
            class(it, &ids[it.name.as_str()], &mut text);
        }
        for it in &self.types {
            for (other, count, label) in relations(it, &ids) {
                let id = &ids[it.name.as_str()];
                let label = if label.is_empty() { label } else { format!(" : {label}") };
                let _ = writeln!(text, "  {id} --> \"{count}\" {other}{label}");
            }
        }
        text
    }
}

fn table(it: &Type, text: &mut String) {
    let is_plain = it.content == Content::Nothing;
    let definition = definition(it.base, &it.options);
    if is_plain {
        row(text, &["Type Name", "Type Definition", "Description"]);
        row(text, &[":---", ":---", ":---"]);
        row(text, &[&format!("**{}**", it.name), &definition, &it.description]);
        return;
    }
    let _ = writeln!(text, "**Type: {} ({})**\n", inline(&it.name), inline(&definition));
    if !it.description.is_empty() {
        let _ = writeln!(text, "{}\n", inline(&it.description));
    }
    match &it.content {
        Content::Nothing => {}
        Content::Items(items) => {
            row(text, &["ID", "Name", "Description"]);
            row(text, &["---:", ":---", ":---"]);
            for item in items {
                row(
                    text,
                    &[&item.id.to_string(), &format!("**{}**", item.name), &item.description],
                );
            }
        }
        // The fields of an Array have places and no names.
        Content::Fields(fields) if it.base == Base::Array => {
            row(text, &["ID", "Type", "#", "Description"]);
            row(text, &["---:", ":---", "---:", ":---"]);
            for field in fields {
                let description = match field.name.as_str() {
                    "" => field.description.clone(),
                    name => format!("**{name}**:: {}", field.description),
                };
                let (of, count) = (type_of(field), multiplicity(field));
                row(text, &[&field.id.to_string(), &of, &count, &description]);
            }
        }
        Content::Fields(fields) => {
            row(text, &["ID", "Name", "Type", "#", "Description"]);
            row(text, &["---:", ":---", ":---", "---:", ":---"]);
            for field in fields {
                let name = format!("**{}**", field.name);
                let (of, count) = (type_of(field), multiplicity(field));
                row(text, &[&field.id.to_string(), &name, &of, &count, &field.description]);
            }
        }
    }
}

fn row(text: &mut String, cells: &[&str]) {
    for cell in cells {
        let cell = inline(cell).replace('\\', "\\\\").replace('|', "\\|");
        let _ = write!(text, "| {}", if cell.is_empty() { cell } else { format!("{cell} ") });
    }
    text.push_str("|\n");
}

/// Text of one line, in which no HTML begins.
fn inline(text: &str) -> String {
    let line: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    line.replace('<', "&lt;")
}

/// A type as its table names it, such as `ArrayOf(Feature){0..10} unique`.
fn definition(base: Base, options: &[Opt]) -> String {
    let of = |wanted: fn(&Opt) -> Option<&String>| options.iter().find_map(wanted);
    let derived = |name: &String| match name.split_at_checked(1) {
        Some(("#", name)) => format!("Enum({name})"),
        Some((">", name)) => format!("Pointer({name})"),
        _ => name.clone(),
    };
    let value = of(|it| if let Opt::ValueType(name) = it { Some(name) } else { None }).map(derived);
    let key = of(|it| if let Opt::KeyType(name) = it { Some(name) } else { None }).map(derived);
    let mut text = base.as_str().to_owned();
    if options.contains(&Opt::Id) {
        text.push_str(".ID");
    }
    let _ = match (key, value) {
        (Some(key), Some(value)) => write!(text, "({key}, {value})"),
        (None, Some(value)) => write!(text, "({value})"),
        _ => Ok(()),
    };
    let (mut least, mut most) = (None, None);
    for option in options {
        match option {
            Opt::Enum(name) => {
                let _ = write!(text, "(Enum({name}))");
            }
            Opt::Pointer(name) => {
                let _ = write!(text, "(Pointer({name}))");
            }
            Opt::Min(number) => least = Some(number.to_string()),
            Opt::Max(number) if *number != 0 || base == Base::Integer => {
                most = Some(number.to_string());
            }
            Opt::MinNumber(number) => least = Some(number.to_string()),
            Opt::MaxNumber(number) => most = Some(number.to_string()),
            _ => {}
        }
    }
    if least.is_some() || most.is_some() {
        let otherwise = if matches!(base, Base::Integer | Base::Number) { "*" } else { "0" };
        let least = least.unwrap_or_else(|| otherwise.to_owned());
        let _ = write!(text, "{{{least}..{}}}", most.unwrap_or_else(|| "*".to_owned()));
    }
    for option in options {
        let _ = match option {
            Opt::Format(name) => write!(text, " /{name}"),
            Opt::Pattern(pattern) => write!(text, " (%{pattern}%)"),
            Opt::Unique => write!(text, " unique"),
            Opt::Set => write!(text, " set"),
            Opt::Unordered => write!(text, " unordered"),
            _ => Ok(()),
        };
    }
    text
}

/// The type of a field as its row names it.
fn type_of(field: &Field) -> String {
    let of_field = |it: &&Opt| {
        matches!(
            it,
            Opt::MinCount(_) | Opt::MaxCount(_) | Opt::Tag(_) | Opt::Dir | Opt::Key | Opt::Link
        )
    };
    let options: Vec<_> = field.options.iter().filter(|it| !of_field(it)).cloned().collect();
    let mut text = match Base::named(&field.type_name) {
        Some(Base::Enumerated) => match &options[..] {
            [Opt::Enum(name)] => format!("Enum({name})"),
            _ => definition(Base::Enumerated, &options),
        },
        Some(base) => definition(base, &options),
        None if options.contains(&Opt::Derived) => format!("{}.*", field.type_name),
        None => field.type_name.clone(),
    };
    for option in &field.options {
        if let Opt::Tag(name) = option {
            let _ = write!(text, "(&{name})");
        }
    }
    text
}

/// How often a field stands there, such as `0..1`.
fn multiplicity(field: &Field) -> String {
    let (mut least, mut most) = (1, 1);
    for option in &field.options {
        match option {
            Opt::MinCount(count) => least = *count,
            Opt::MaxCount(count) => most = *count,
            _ => {}
        }
    }
    match (least, most) {
        (least, 0) => format!("{least}..*"),
        (1, 1) => "1".to_owned(),
        (least, most) => format!("{least}..{}", most.max(least)),
    }
}

/// Words of the language of class diagrams, which are no identifiers, in any case of letters.
const RESERVED: [&str; 17] = [
    "acctitle",
    "accdescr",
    "call",
    "callback",
    "class",
    "classdef",
    "classdiagram",
    "click",
    "cssclass",
    "default",
    "direction",
    "end",
    "href",
    "link",
    "namespace",
    "note",
    "style",
];

/// An identifier of Mermaid for each type.
fn identifiers(types: &[Type]) -> HashMap<&str, String> {
    let (mut ids, mut taken) = (HashMap::new(), HashSet::new());
    for it in types {
        let letter = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
        let mut id: String = it.name.chars().map(letter).collect();
        if !id.starts_with(|it: char| it.is_ascii_alphabetic()) {
            id.insert(0, 'T');
        }
        if RESERVED.contains(&id.to_ascii_lowercase().as_str()) {
            id.push('_');
        }
        while !taken.insert(id.clone()) {
            id.push('_');
        }
        ids.insert(it.name.as_str(), id);
    }
    ids
}

fn class(it: &Type, id: &str, text: &mut String) {
    let _ = writeln!(text, "  class {id}[\"{}\"] {{", plain(&it.name));
    let _ = writeln!(text, "    <<{}>>", plain(&definition(it.base, &it.options)));
    match &it.content {
        Content::Nothing => {}
        Content::Items(items) => {
            for item in items {
                let _ = writeln!(text, "    {} {}", item.id, plain(&item.name));
            }
        }
        Content::Fields(fields) => {
            for field in fields {
                let (of, count) = (plain(&type_of(field)), multiplicity(field));
                let _ = writeln!(text, "    {} {} : {of} {count}", field.id, plain(&field.name));
            }
        }
    }
    text.push_str("  }\n");
}

/// Without what would end a line, a string or a class.
fn plain(text: &str) -> String {
    let change = |it: char| match it {
        '"' | '`' => '\'',
        '{' | '<' => '[',
        '}' | '>' => ']',
        it if it.is_control() => ' ',
        it => it,
    };
    text.chars().map(change).collect()
}

/// The types that a type names, how many of each, and under which name.
fn relations(it: &Type, ids: &HashMap<&str, String>) -> Vec<(String, String, String)> {
    let mut seen = BTreeSet::new();
    let mut add = |name: &str, count: String, label: &str| {
        if let Some(id) = ids.get(name.trim_start_matches(['#', '>'])) {
            seen.insert((id.clone(), count, plain(label)));
        }
    };
    let mut of_options = |options: &[Opt], label: &str| {
        for option in options {
            match option {
                Opt::ValueType(name) | Opt::KeyType(name) => add(name, "*".to_owned(), label),
                Opt::Enum(name) | Opt::Pointer(name) => add(name, "names of".to_owned(), label),
                _ => {}
            }
        }
    };
    of_options(&it.options, "");
    if let Content::Fields(fields) = &it.content {
        for field in fields {
            of_options(&field.options, &field.name);
        }
        for field in fields {
            add(&field.type_name, multiplicity(field), &field.name);
        }
    }
    seen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r##"{"info": {"package": "p"}, "types": [
        ["Command", "Record", [], "", [[1, "action", "Action", [], "What to do"], [2, "to", "Name", ["[0", "]0"], "a|b"],
            [3, "left", "Integer", ["{0", "}9", "[0"], ""], [4, "which", "Enumerated", ["#Target", "[0"], ""]]],
        ["Action", "Enumerated", ["="], "", [[1, "scan", "Look"], [3, "deny", ""]]],
        ["Target", "Choice", ["X"], "One of them", [[7, "net", "Net", [], ""]]],
        ["Net", "Array", ["/ipv4-net"], "", [[1, "addr", "Binary", ["/ipv4-addr"], "Where"], [2, "prefix", "Integer", ["[0"], ""]]],
        ["Name", "String", ["{1", "%^\\S+$"], "A name"],
        ["Names", "ArrayOf", ["*#Target", "{1", "q"], ""],
        ["Pairs", "MapOf", ["+Action", "*Names", "}5"], ""],
        ["Rate", "Number", ["y0", "z1.5"], ""]
    ]}"##;

    #[test]
    fn tables_are_as_the_specifications_print_them() {
        let package = Package::read(FILE.as_bytes()).unwrap();
        assert_eq!(
            package.to_markdown(),
            r"**Type: Command (Record)**

| ID | Name | Type | # | Description |
| ---: | :--- | :--- | ---: | :--- |
| 1 | **action** | Action | 1 | What to do |
| 2 | **to** | Name | 0..* | a\|b |
| 3 | **left** | Integer{0..9} | 0..1 | |
| 4 | **which** | Enum(Target) | 0..1 | |

**Type: Action (Enumerated.ID)**

| ID | Name | Description |
| ---: | :--- | :--- |
| 1 | **scan** | Look |
| 3 | **deny** | |

**Type: Target (Choice)**

One of them

| ID | Name | Type | # | Description |
| ---: | :--- | :--- | ---: | :--- |
| 7 | **net** | Net | 1 | |

**Type: Net (Array /ipv4-net)**

| ID | Type | # | Description |
| ---: | :--- | ---: | :--- |
| 1 | Binary /ipv4-addr | 1 | **addr**:: Where |
| 2 | Integer | 0..1 | **prefix**::  |

| Type Name | Type Definition | Description |
| :--- | :--- | :--- |
| **Name** | String{1..*} (%^\\S+$%) | A name |

| Type Name | Type Definition | Description |
| :--- | :--- | :--- |
| **Names** | ArrayOf(Enum(Target)){1..*} unique | |

| Type Name | Type Definition | Description |
| :--- | :--- | :--- |
| **Pairs** | MapOf(Action, Names){0..5} | |

| Type Name | Type Definition | Description |
| :--- | :--- | :--- |
| **Rate** | Number{0..1.5} | |

"
        );
    }

    #[test]
    fn the_diagram_has_a_class_for_each_type_and_an_arrow_for_each_use() {
        let package = Package::read(FILE.as_bytes()).unwrap();
        let text = package.to_mermaid();
        for line in [
            "classDiagram",
            r#"  class Command["Command"] {"#,
            "    <<Record>>",
            "    2 to : Name 0..*",
            "    3 left : Integer[0..9] 0..1",
            "    3 deny",
            r#"  Command --> "1" Action : action"#,
            r#"  Command --> "0..*" Name : to"#,
            r#"  Command --> "names of" Target : which"#,
            r#"  Names --> "*" Target"#,
            r#"  Pairs --> "*" Action"#,
            r#"  Pairs --> "*" Names"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn one_type_is_shown_with_what_it_needs() {
        let package = Package::read(FILE.as_bytes()).unwrap();
        let names = |root| {
            let only = package.only(root)?;
            Some(only.types.into_iter().map(|it| it.name).collect::<Vec<_>>())
        };
        assert_eq!(names("Names").unwrap(), ["Target", "Net", "Names"]);
        assert_eq!(names("Rate").unwrap(), ["Rate"]);
        assert_eq!(names("Nope"), None);
    }

    #[test]
    fn no_text_breaks_out_of_its_line() {
        let package = Package::read(
            br#"{"info": {"package": "p"}, "types": [["A", "Record", [], "one\n# two <b>", [[1, "a", "String", ["%<"], "x\r\ny | <i>"]]],
                ["class", "Choice", [], "", [[1, "end", "End"]]], ["End", "String"], ["note", "ArrayOf", ["*class"]]]}"#,
        )
        .unwrap();
        let text = package.to_markdown();
        assert!(text.contains("\none # two &lt;b>\n"), "{text}");
        assert!(text.contains(r"| 1 | **a** | String (%&lt;%) | 1 | x  y \| &lt;i> |"), "{text}");
        let text = package.to_mermaid();
        for line in [
            r#"  class class_["class"] {"#,
            r#"  class End_["End"] {"#,
            r#"  class_ --> "1" End_ : end"#,
            r#"  note_ --> "*" class_"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn no_name_breaks_out_of_the_diagram() {
        let package = Package::read(
            br#"{"info": {"package": "p"}, "types": [["a-b", "String"], ["a_b", "ArrayOf", ["*a-b"]],
                ["\"]\n}", "Enumerated", [], "", [[1, "}\nclassDiagram", ""]]]]}"#,
        )
        .unwrap();
        let text = package.to_mermaid();
        assert!(text.contains("a_b_ --> \"*\" a_b\n"), "{text}");
        assert_eq!(text.lines().filter(|it| it.trim() == "}").count(), 3, "{text}");
        assert_eq!(text.matches("\nclassDiagram").count(), 0, "{text}");
    }
}
