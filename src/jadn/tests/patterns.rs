//! Patterns mean what ECMAScript means by them.

use super::*;
use crate::jadn::pattern::{Pattern, Room};

/// What ECMAScript says of a text, with the flag `u` where the pattern has a meaning with it (ECMA-262,
/// sections 22.2.1 and 22.2.2; annex B.1.2 for what it says without). Taken from V8.
#[test]
fn a_pattern_matches_what_ecmascript_matches() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str], &[&str])] = &[
        (r"^.$", &["a", "\u{85}", "\u{1f512}"], &["\u{d}", "\u{a}", "\u{2028}", "\u{2029}"]),
        (r"^a$", &["a"], &["a\u{a}", "b\u{a}a"]),
        (r"^\s$", &[" ", "\u{9}", "\u{b}", "\u{a0}", "\u{feff}", "\u{1680}", "\u{2003}", "\u{2028}", "\u{3000}"], &["\u{85}", "\u{180e}", "\u{1c}", "\u{200b}"]),
        (r"^\S$", &["\u{85}", "\u{1c}", "a"], &["\u{a0}"]),
        (r"^[\s]$", &["\u{feff}"], &["\u{85}"]),
        (r"^[^\s]$", &["\u{85}"], &["\u{feff}"]),
        (r"^\d$", &["7"], &["\u{667}"]),
        (r"^\D$", &["\u{667}"], &["7"]),
        (r"^\w$", &["a", "_"], &["\u{e9}", "-"]),
        (r"^\W$", &["\u{e9}", "-"], &["a"]),
        (r"^[\D]$", &["\u{667}", "x"], &["7"]),
        (r"^[\W]$", &["\u{e9}", "-"], &["a"]),
        (r"^[\S]$", &["\u{85}", "a"], &[" ", "\u{feff}"]),
        (r"^[^\W]$", &["a"], &["\u{e9}"]),
        (r"^[\W\d]$", &["5", "\u{e9}"], &["a"]),
        (r"^[^\D5]$", &["6"], &["5", "a"]),
        (r"^[\s\S]$", &["\u{a}", "\u{2028}"], &[]),
        ("\\b\u{e9}", &["a\u{e9}"], &[" \u{e9}", "\u{e9}"]),
        (r"a\b", &["a\u{e9}", "a", "a b"], &["ab"]),
        (r"a\B", &["ab"], &["a\u{e9}", "a"]),
        ("\\B\u{e9}\\B", &["\u{e9}"], &["a\u{e9}"]),
        (r"^[\b]$", &["\u{8}"], &["b"]),
        (r"^[a&&b]$", &["a", "&", "b"], &["c"]),
        (r"^[a~~b]$", &["a", "~", "b"], &[]),
        (r"^[+--]$", &["+", ",", "-"], &["."]),
        (r"^[[:alpha:]]$", &["a]", ":]", "[]"], &["z]", "a"]), // without `u`
        (r"^[a-z&&[^b]]$", &["b]", "&]"], &["a"]), // without `u`
        (r"^[a[]$", &["[", "a"], &[]),
        (r"^\<a$", &["<a"], &["a"]), // without `u`
        (r"^a\>$", &["a>"], &["a"]), // without `u`
        (r"^[]$", &[], &["", "a"]),
        (r"^[^]$", &["a", "\u{a}"], &[""]),
        (r"^\cA$", &["\u{1}"], &["A"]),
        (r"^\/$", &["/"], &[]),
        (r"^\u0041$", &["A"], &[]),
        (r"^\u{41}$", &["A"], &[]),
        (r"^\ud83d\ude00$", &["\u{1f600}"], &[]),
        (r"^\x41$", &["A"], &[]),
        (r"^\0$", &["\u{0}"], &[]),
        (r"^a{,2}$", &["a{,2}"], &["aa"]), // without `u`
        (r"^a{$", &["a{"], &[]), // without `u`
        (r"^a{1$", &["a{1"], &[]), // without `u`
        (r"^}]$", &["}]"], &[]), // without `u`
        (r"^\-$", &["-"], &[]), // without `u`
        (r"^\_$", &["_"], &[]), // without `u`
        (r"^\ $", &[" "], &[]), // without `u`
        (r"^#$", &["#"], &[]),
        (r"^a b$", &["a b"], &["ab"]),
        (r"^[\w-.]$", &["-", ".", "a"], &[","]), // without `u`
        (r"^[\d-z]$", &["-", "5", "z"], &["a"]), // without `u`
        (r"^[a-]$", &["a", "-"], &[]),
        (r"^[\]]$", &["]"], &[]),
        (r"^[a\-z]$", &["-"], &["b"]),
        (r"^(?<n>a)b$", &["ab"], &[]),
        (r"^(a|b)*?$", &["abab", ""], &["c"]),
        (r"^(?:a|)$", &["", "a"], &["b"]),
        (r"^a{2}$", &["aa"], &["a"]),
        (r"^a{2,}$", &["aaa"], &["a"]),
        (r"^a{1,2}?$", &["aa"], &["aaa"]),
        (r"^\p{Lu}$", &["\u{c9}"], &["\u{e9}"]),
        (r"^[\p{L}\d]$", &["\u{e9}", "5"], &["-"]),
        (r"^\P{L}$", &["5"], &["a"]),
        (r"^\$\.$", &["$."], &["$a"]),
        (r"^\t\n\v\f\r$", &["\u{9}\u{a}\u{b}\u{c}\u{d}"], &[]),
        (r"b", &["abc"], &["ac"]),
        (r"^$", &[""], &["\u{a}"]),
    ];
    for (text, good, bad) in cases {
        let pattern = Pattern::new(text, &mut Room::default()).unwrap();
        assert_eq!(pattern.as_str(), *text);
        for (texts, verdict) in [(good, true), (bad, false)] {
            for it in *texts {
                assert_eq!(pattern.is_match(it), verdict, "{text} on {it:?}");
            }
        }
    }
}

/// What ECMAScript does not have, and what cannot be matched in time that grows with the text alone.
#[test]
fn what_cannot_be_matched_as_ecmascript_would_is_refused_by_name() {
    let cases = [
        ("a++", "there is nothing that + could repeat"),
        ("a**", "there is nothing that * could repeat"),
        ("a{2}{3}", "there is nothing that {3} could repeat"),
        ("^*", "there is nothing that * could repeat"),
        (r"\b+", "there is nothing that + could repeat"),
        ("{2}", "there is nothing that {2} could repeat"),
        ("(?x) a", "ECMAScript has no group that begins with (?x"),
        ("(?i:a)", "ECMAScript has no group that begins with (?i"),
        ("(?P<n>a)", "ECMAScript has no group that begins with (?P"),
        ("(?=a)", "the look-ahead (?=…) cannot be matched here"),
        ("(?!a)", "the look-ahead (?!…) cannot be matched here"),
        ("(?<=a)", "the look-behind (?<=…) cannot be matched here"),
        ("(?<!a)", "the look-behind (?<!…) cannot be matched here"),
        (r"(a)\1", r"the back reference \1 cannot be matched here"),
        (r"(?<n>a)\k<n>", r"the back reference \k cannot be matched here"),
        (r"\Aa", r"ECMAScript has no \A"),
        (r"a\z", r"ECMAScript has no \z"),
        (r"\a", r"ECMAScript has no \a"),
        (r"[\B]", r"ECMAScript has no \B"),
        (r"\pL", r"behind \p stands no name in braces"),
        (r"\p{Foo}", r"the property \p{Foo} is not known here"),
        (r"\p{Greek}", r"a script is named \p{Script=Greek}"),
        (r"\x4", r"behind \x stand no 2 hexadecimal digits"),
        (r"\u12", r"behind \u stand no 4 hexadecimal digits"),
        (r"\ud83d", r"\ud83d is half of a character, which no text has"),
        (r"\u{110000}", r"\u{110000} is no character"),
        (r"\c1", r"behind \c stands no letter"),
        (r"\01", r"ECMAScript has no \0 before a digit"),
        ("[z-a]", "the range z-a is in the wrong order"),
        ("[a--b]", "the range a-- is in the wrong order"),
        ("a{3,2}", "{3,2} has its numbers in the wrong order"),
        ("a{99999999999}", "{99999999999} is more than can be counted here"),
        ("(a", "a group does not end"),
        ("a)", "a group ends that never began"),
        ("[a", "a class does not end"),
        (r"a\", "a backslash stands at the end"),
        ("(?<>a)", "the name of a group is none"),
        (r"\S{0,1000}", "it takes more than 1048576 bytes"),
    ];
    for (text, reason) in cases {
        let file = cs01(&format!(
            r#"["T", "String", [{0}]], ["R", "Record", [], "", [[1, "f", "String", [{0}]]]]"#,
            Value::from(format!("%{text}"))
        ));
        let reason = format!("the pattern {text:?} cannot be used: {reason}");
        assert_eq!(problems(&file), [format!("T: {reason}"), format!("R.f: {reason}")]);
    }
}

/// A schema's own text, as its author knows it.
#[test]
fn a_fault_and_the_json_schema_show_the_pattern_as_it_was_written() {
    let schema = compiled(&cs01(r#"["T", "String", ["%^\\S{0,36}$"]]"#));
    let fault = judge(&schema, "T", r#""a b""#, Form::VERBOSE).unwrap_err();
    let wanted = r"expected T, text of at most 65536 characters that matches ^\S{0,36}$";
    assert!(fault.to_string().contains(wanted), "{fault}");
    let described = schema.to_json_schema(schema.type_named("T").unwrap());
    assert_eq!(described["$defs"]["T"]["pattern"], r"^\S{0,36}$");
}

/// Many patterns that are small enough each are too large together.
#[test]
fn all_patterns_of_a_schema_have_a_bound() {
    let types = |count: usize, pattern: &str| {
        let text = Value::from(format!("%{pattern}"));
        let one = |at| format!(r#"["T{at}", "String", [{text}]]"#);
        cs01(&(0..count).map(one).collect::<Vec<_>>().join(","))
    };
    assert_eq!(problems(&types(500, "^[A-Za-z0-9_-]{0,255}$")), [""; 0]);
    assert_eq!(problems(&types(100, r"^\S{0,36}$")), [""; 0]);
    for (count, pattern) in [(3_000, r"^[\w\W]{1,250}$"), (1, "((a{1000}){1000}){1000}")] {
        let file = types(count, pattern);
        let problems = problems(&file);
        let reason = "all patterns of the schema together ask for more than 524288 characters";
        let problem = format!("the pattern {pattern:?} cannot be used: {reason}");
        assert!(problems.first().is_some_and(|it| it.ends_with(&problem)), "{problems:?}");
        assert!(problems.len() > count / 2);
        let Merged { package, undefined } = merged(&file);
        let problem = Schema::compile(&package, &undefined, Bounds::default()).unwrap_err();
        assert!(problem.reason.ends_with(reason), "{problem}");
    }
}
