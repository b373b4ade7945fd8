//! `oc2 schema`: checks schema files, and messages by them.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::{Exit, Failure, escape_line, tell};
use crate::config::nearest_of;
use crate::encoding::cbor::CborSource;
use crate::encoding::json::JsonSource;
use crate::jadn::{
    Bounds, Dialect, Fault, Form, Merged, NoExample, Package, Problem, Reading, Schema, Tape,
    resolve,
};
use crate::language::{self, Own, Profile};

/// Deepest nesting of a message that is validated.
const DEPTH: usize = 128;

/// Longest message that is validated, in bytes.
const MESSAGE_BYTES: u64 = 64 * 1024 * 1024;

/// Most types that are named where one is not there.
const TYPES_LISTED: usize = 40;

/// For `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  oc2 schema check thermostat.jadn
  oc2 schema validate --schema oc2ls-1.1.jadn --type OpenC2-Command --all command.json
  oc2 schema example --schema oc2ls-1.1.jadn --type OpenC2-Command --seed 7 --wrong
  oc2 schema convert thermostat.jadn --to markdown";

/// Commands about schemas.
#[derive(Debug, clap::Subcommand)]
pub enum SchemaCommand {
    /// Find every mistake in schema files; those that import one another together
    Check(CheckArgs),
    /// Judge messages by a type of a schema
    Validate(ValidateArgs),
    /// Make up a message of a type, or one that is wrong in one way
    Example(ExampleArgs),
    /// Write a schema, or a message of one of its types, in another form
    Convert(ConvertArgs),
}

/// Arguments of `oc2 schema check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// JADN files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Types that are named and not defined are no mistake: nothing is valid where they stand
    #[arg(long)]
    pub gaps: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// A type of a schema.
#[derive(Debug, clap::Args)]
pub struct TypeArgs {
    /// The JADN file
    #[arg(long, value_name = "FILE")]
    pub schema: PathBuf,
    /// A JADN file that it imports; may be repeated
    #[arg(long, value_name = "FILE")]
    pub import: Vec<PathBuf>,
    /// Name of the type
    #[arg(long = "type", value_name = "NAME")]
    pub root: String,
}

/// Arguments of `oc2 schema validate`.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    of: TypeArgs,
    /// Say everything that is wrong with a message, and not only the first
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// How the messages are written
    #[arg(long, value_enum, default_value_t)]
    encoding: Encoding,
    /// Messages as verbose JSON or as CBOR; - is standard input
    #[arg(required = true, value_name = "MESSAGE")]
    messages: Vec<PathBuf>,
}

/// Arguments of `oc2 schema example`.
#[derive(Debug, clap::Args)]
pub struct ExampleArgs {
    #[command(flatten)]
    of: TypeArgs,
    /// The same number makes the same message
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u64,
    /// Make a message that is wrong in exactly one way, and say which
    #[arg(long)]
    wrong: bool,
    /// Write it as CBOR
    #[arg(long, conflicts_with = "wrong")]
    cbor: bool,
}

/// Arguments of `oc2 schema convert`.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// The JADN file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A message to write in another form, and not the schema; - is standard input
    #[arg(value_name = "MESSAGE", requires = "root")]
    message: Option<PathBuf>,
    /// A JADN file that it imports; may be repeated
    #[arg(long, value_name = "FILE")]
    import: Vec<PathBuf>,
    /// The form to write
    #[arg(long, value_enum)]
    to: Target,
    /// The dialect to write JADN in; the file's own if absent
    #[arg(long, value_enum)]
    dialect: Option<DialectName>,
    /// How the message is written
    #[arg(long, value_enum, default_value_t)]
    encoding: Encoding,
    /// Name of the type that the result describes, or that the message is of
    #[arg(long = "type", value_name = "NAME", required_if_eq("to", "json-schema"))]
    root: Option<String>,
}

/// What a schema or a message can be written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Target {
    /// JADN
    Jadn,
    /// JSON Schema, draft 2020-12, of the verbose JSON form
    JsonSchema,
    /// Tables in Markdown, as the specifications print them
    Markdown,
    /// A class diagram of Mermaid
    Mermaid,
    /// A message as verbose JSON
    Json,
    /// A message as compact JSON
    CompactJson,
    /// A message as CBOR
    Cbor,
}

/// A dialect that can be written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DialectName {
    /// JADN v1.0 CSD01, as language 1.0 CSD07 has it
    Csd01,
    /// JADN v1.0 CS01
    Cs01,
}

/// How a message is written.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Encoding {
    /// CBOR if its first octet is 0x80 or above, which no JSON text begins with; but for a byte order mark
    #[default]
    Auto,
    /// Verbose JSON
    Json,
    /// CBOR
    Cbor,
}

impl Encoding {
    fn form_of(self, message: &[u8]) -> Form {
        // No CBOR either: a simple value that nobody has assigned.
        let has_mark = message.starts_with(b"\xef\xbb\xbf");
        match (self, message.first().filter(|_| !has_mark)) {
            (Self::Cbor, _) | (Self::Auto, Some(0x80..)) => Form::CBOR,
            _ => Form::VERBOSE,
        }
    }
}

/// Carries one of them out.
pub fn run(command: SchemaCommand, out: &mut impl Write) -> Result<Exit, Failure> {
    match command {
        SchemaCommand::Check(args) => check(&args, out),
        SchemaCommand::Validate(args) => validate(&args, out),
        SchemaCommand::Example(args) => example(&args, out),
        SchemaCommand::Convert(args) => convert(&args, out),
    }
}

fn check(args: &CheckArgs, out: &mut impl Write) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    let mut read = Vec::new();
    for file in &args.files {
        match bytes_of(file) {
            Ok(bytes) => read.push((file, Package::reading(&bytes))),
            // The others can be checked all the same.
            Err(failure) => {
                tell(format_args!("{:#}", failure.error));
                exit = failure.exit;
            }
        }
    }
    let packages: Vec<_> = read.iter().filter_map(|(_, reading)| reading.package.clone()).collect();
    let packages = with_languages(packages);
    for (file, reading) in &read {
        let found = reading.findings(&packages, args.gaps);
        // What is imported is checked as the file that it is.
        let own: HashSet<_> =
            reading.package.iter().flat_map(|it| &it.types).map(|it| it.name.as_str()).collect();
        let is_its_own = |it: &Problem| is_of(it, &own);
        let mut problems: Vec<_> = found.problems.into_iter().filter(is_its_own).collect();
        let warnings: Vec<_> = found.warnings.into_iter().filter(is_its_own).collect();
        let mut profile = None;
        // What is wrong with the header alone hides nothing else.
        if problems.iter().all(|it| it.place.is_none())
            && let Some(package) = reading.package.as_ref().filter(|it| looks_like_a_profile(it))
        {
            match Profile::of(package.clone()) {
                Ok(it) => profile = Some(it),
                Err(of_profile) => {
                    problems.extend(of_profile);
                    problems.sort_by(|one, other| one.place.cmp(&other.place));
                    problems.dedup();
                }
            }
        }
        let is_good = problems.is_empty();
        if !is_good {
            exit = Exit::BadInput;
        }
        let name = file.display().to_string();
        if args.json {
            let warnings = warnings.iter().map(|it| (it, true));
            for (problem, is_warning) in problems.iter().map(|it| (it, false)).chain(warnings) {
                let mut line =
                    json!({"file": name, "place": problem.place, "reason": problem.reason});
                if is_warning {
                    line["warning"] = json!(true);
                }
                writeln!(out, "{line}")?;
            }
            continue;
        }
        if let Some(package) = reading.package.as_ref().filter(|_| is_good) {
            let (types, dialect) = (package.types.len(), package.dialect.as_str());
            let profile = profile.map_or_else(String::new, |it| format!(", profile {}", it.nsid()));
            writeln!(out, "{name} is in order (types: {types}, {dialect}{profile})")?;
        }
        for problem in &problems {
            writeln!(out, "{name}: {}", escape_line(&problem.to_string()))?;
        }
        for warning in &warnings {
            writeln!(out, "  warning: {}", escape_line(&warning.to_string()))?;
        }
        if is_good && let Some(undefined) = undefined(reading, &packages, args.gaps) {
            let names = escape_line(&undefined.join(", "));
            writeln!(out, "  warning: not defined, so never valid: {names}")?;
        }
    }
    Ok(exit)
}

/// The types that are named and that nobody defines, where there are any.
fn undefined(reading: &Reading, packages: &[Package], gaps: bool) -> Option<Vec<String>> {
    let package = reading.package.as_ref()?;
    let merged = resolve(package, packages).ok()?;
    let merged = if gaps { merged.with_gaps() } else { merged };
    let undefined = of_its_own(package, merged.undefined);
    (!undefined.is_empty()).then_some(undefined)
}

/// Of these names the ones that the types of this file name.
fn of_its_own(package: &Package, mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| package.types.iter().any(|it| it.names(name)));
    names
}

/// Whether a problem is one of these types, and not of an imported one.
fn is_of(problem: &Problem, own: &HashSet<&str>) -> bool {
    let place = problem.place.as_deref().unwrap_or_default();
    let name = place.split('.').next().unwrap_or_default();
    !name.contains(':') || own.contains(name)
}

/// The packages, and those of the language that are not among them: whoever imports the language
/// need not name its file.
fn with_languages(mut packages: Vec<Package>) -> Vec<Package> {
    for language in language::packages() {
        if packages.iter().all(|it| it.name() != language.name()) {
            packages.push(language);
        }
    }
    packages
}

/// The types that every profile has, and no other schema.
fn looks_like_a_profile(package: &Package) -> bool {
    let has = |name: &str| package.types.iter().any(|it| it.name == name);
    has("Actuator") && has(Own::Pairs.as_str())
}

fn validate(args: &ValidateArgs, out: &mut impl Write) -> Result<Exit, Failure> {
    let schema = args.of.compiled()?;
    let root = root(&schema, &args.of.root)?;
    let mut tape = Tape::default();
    let mut is_good = true;
    for file in &args.messages {
        let message = bytes_of(file)?;
        let form = args.encoding.form_of(&message);
        let faults: Vec<Fault> = match (args.all, form) {
            (false, _) => {
                let verdict = schema.judge_bytes(root, &message, form, DEPTH, &mut tape);
                verdict.err().into_iter().map(|fault| *fault).collect()
            }
            (true, Form::CBOR) => {
                schema.judge_all(root, &mut CborSource::new(&message, DEPTH), form)
            }
            (true, _) => schema.judge_all(root, &mut JsonSource::new(&message, DEPTH), form),
        };
        is_good &= faults.is_empty();
        say_verdict(file, &faults, args.json, out)?;
    }
    Ok(if is_good { Exit::Success } else { Exit::BadInput })
}

fn say_verdict(
    file: &Path,
    faults: &[Fault],
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let file = file.display();
    if as_json {
        let faults: Vec<_> = faults
            .iter()
            .map(|it| json!({"pointer": it.pointer, "offset": it.offset, "reason": it.reason, "found": it.found}))
            .collect();
        let line = json!({"file": file.to_string(), "valid": faults.is_empty(), "faults": faults});
        writeln!(out, "{line}")?;
    } else if faults.is_empty() {
        writeln!(out, "{file} is valid")?;
    } else {
        for fault in faults {
            writeln!(out, "{file}: {}", escape_line(&fault.to_string()))?;
        }
    }
    Ok(())
}

fn example(args: &ExampleArgs, out: &mut impl Write) -> Result<Exit, Failure> {
    let schema = args.of.compiled()?;
    let root = root(&schema, &args.of.root)?;
    let nothing = |why: NoExample| {
        Failure::say(Exit::BadInput, format!("{}: {why}", escape_line(&args.of.root)))
    };
    let message: Value = if args.wrong {
        let mutant = schema.spoilt(root, args.seed).map_err(nothing)?;
        eprintln!("oc2: {} at {:?}", mutant.wrong, mutant.pointer);
        mutant.message
    } else {
        schema.made_up(root, args.seed).map_err(nothing)?
    };
    if args.cbor {
        let text = message.to_string();
        let written = schema.transcode(root, text.as_bytes(), Form::VERBOSE, Form::CBOR, DEPTH);
        out.write_all(&written.expect("what is made up is valid"))?;
        return Ok(Exit::Success);
    }
    writeln!(out, "{message:#}")?;
    Ok(Exit::Success)
}

fn convert(args: &ConvertArgs, out: &mut impl Write) -> Result<Exit, Failure> {
    let form = match args.to {
        Target::Json => Some(Form::VERBOSE),
        Target::CompactJson => Some(Form::COMPACT),
        Target::Cbor => Some(Form::CBOR),
        Target::Jadn | Target::JsonSchema | Target::Markdown | Target::Mermaid => None,
    };
    match (&args.message, form) {
        (Some(message), Some(form)) => return convert_message(args, message, form, out),
        (None, Some(_)) => {
            return Err(Failure::say(Exit::Usage, "there is no message to write in this form"));
        }
        (Some(_), None) => {
            return Err(Failure::say(Exit::Usage, "a message cannot be written in this form"));
        }
        (None, None) => {}
    }
    match args.to {
        Target::JsonSchema => {
            let of = args.of_type();
            let schema = of.compiled()?;
            writeln!(out, "{:#}", schema.to_json_schema(root(&schema, &of.root)?))?;
        }
        Target::Markdown => write!(out, "{}", args.described()?.to_markdown())?,
        Target::Mermaid => write!(out, "{}", args.described()?.to_mermaid())?,
        _ => {
            if args.root.is_some() {
                let line = "--type does not go with JADN, which is written as a whole";
                return Err(Failure::say(Exit::Usage, line));
            }
            let package = package(&args.file)?;
            let dialect = match args.dialect {
                None => package.dialect,
                Some(DialectName::Csd01) => Dialect::Csd01,
                Some(DialectName::Cs01) => Dialect::Cs01,
            };
            let converted = package.converted(dialect);
            if !converted.unsaid.is_empty() {
                return Err(mistaken(&args.file, &converted.unsaid));
            }
            for loss in &converted.losses {
                tell(format_args!("warning: {loss}"));
            }
            writeln!(out, "{:#}", converted.package.to_json())?;
        }
    }
    Ok(Exit::Success)
}

fn convert_message(
    args: &ConvertArgs,
    file: &Path,
    to: Form,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let of = args.of_type();
    let schema = of.compiled()?;
    let root = root(&schema, &of.root)?;
    let message = bytes_of(file)?;
    let from = args.encoding.form_of(&message);
    let written = schema.transcode(root, &message, from, to, DEPTH).map_err(|fault| {
        let line = format!("{}: {}", file.display(), escape_line(&fault.to_string()));
        Failure::say(Exit::BadInput, line)
    })?;
    out.write_all(&written)?;
    if !to.has_octets {
        writeln!(out)?;
    }
    Ok(Exit::Success)
}

impl ConvertArgs {
    /// The types that tables or a diagram are to show: all, or one and what it needs.
    fn described(&self) -> Result<Package, Failure> {
        let package = package(&self.file)?;
        let Some(root) = &self.root else { return Ok(package) };
        let names = package.types.iter().map(|it| it.name.as_str());
        package.only(root).ok_or_else(|| no_type(root, names))
    }

    fn of_type(&self) -> TypeArgs {
        let root = self.root.clone().unwrap_or_default();
        TypeArgs { schema: self.file.clone(), import: self.import.clone(), root }
    }
}

impl TypeArgs {
    fn compiled(&self) -> Result<Schema, Failure> {
        let file = &self.schema;
        let others = self.import.iter().map(|it| package(it)).collect::<Result<Vec<_>, _>>()?;
        let package = package(file)?;
        // The file itself may be one of the language.
        let mut others = with_languages(others);
        others.retain(|it| it.name().is_none() || it.name() != package.name());
        let merged = resolve(&package, &others).map_err(|problems| mistaken(file, &problems))?;
        let merged = merged.with_gaps();
        // What `check` refuses is used here all the same, and not in silence.
        let own: HashSet<_> = package.types.iter().map(|it| it.name.as_str()).collect();
        for problem in merged.problems().iter().filter(|it| is_of(it, &own)) {
            tell(format_args!("warning: {}: {problem}", file.display()));
        }
        let undefined: Vec<_> = of_its_own(&package, merged.undefined.clone());
        if !undefined.is_empty() {
            let names = undefined.join(", ");
            tell(format_args!("warning: {}: not defined, so never valid: {names}", file.display()));
        }
        let Merged { package, undefined } = merged;
        Schema::compile(&package, &undefined, Bounds::default())
            .map_err(|problem| mistaken(file, &[problem]))
    }
}

fn root(schema: &Schema, name: &str) -> Result<crate::jadn::NodeId, Failure> {
    schema.type_named(name).ok_or_else(|| no_type(name, schema.type_names()))
}

/// There is no such type; what there is, and which one was perhaps meant.
fn no_type<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Failure {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    let meant = nearest_of(name, names.iter().copied());
    let list = match meant {
        Some(meant) => format!("; did you mean `{meant}`? It has"),
        None => "; it has".to_owned(),
    };
    let more = if names.len() > TYPES_LISTED { ", ..." } else { "" };
    names.truncate(TYPES_LISTED);
    let names = names.join(", ");
    let line = format!("the schema has no type {name:?}{list} {names}{more}");
    Failure::say(Exit::Usage, escape_line(&line))
}

fn package(file: &Path) -> Result<Package, Failure> {
    Package::read(&bytes_of(file)?).map_err(|problems| mistaken(file, &problems))
}

fn mistaken(file: &Path, problems: &[Problem]) -> Failure {
    let lines: Vec<_> = problems
        .iter()
        .map(|it| format!("{}: {}", file.display(), escape_line(&it.to_string())))
        .collect();
    Failure::say(Exit::BadInput, lines.join("\n"))
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if file.as_os_str() == "-" {
            std::io::stdin().lock().take(MESSAGE_BYTES).read_to_end(&mut bytes)?;
        } else {
            fs::File::open(file)?.take(MESSAGE_BYTES).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    read()
        .with_context(|| format!("cannot read {}", file.display()))
        .map_err(|error| Failure { exit: Exit::Io, error })
}
