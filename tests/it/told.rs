//! `query features schema` tells what is accepted.

use openc2_bridge::jadn::{Bounds, Form, NodeId, Package, Schema, Tape, resolve};
use openc2_bridge::language::{Library, Version};
use serde_json::{Value, json};

use crate::pairs::{ask, houses, room};

const BOUNDS: Bounds = Bounds { text_chars: u32::MAX, octets: u32::MAX, elements: u32::MAX };

/// Examples, and mutants, of each schema.
const SEEDS: u64 = 60;

/// A schema, and its type for commands.
struct Commands<'s>(&'s Schema, NodeId);

impl<'s> Commands<'s> {
    fn of(schema: &'s Schema) -> Self {
        Self(schema, schema.type_named("OpenC2-Command").unwrap())
    }

    fn takes(&self, command: &Value) -> bool {
        let text = command.to_string();
        let judged =
            self.0.judge_bytes(self.1, text.as_bytes(), Form::VERBOSE, 64, &mut Tape::default());
        judged.is_ok()
    }

    /// Made up, right and wrong ones, without what keeps an answer from coming at once.
    fn made_up(&self) -> Vec<Value> {
        let examples = (0..SEEDS).filter_map(|seed| self.0.example(self.1, seed));
        let mutants = (0..SEEDS).filter_map(|seed| Some(self.0.mutant(self.1, seed)?.message));
        examples.chain(mutants).map(at_once).collect()
    }
}

fn at_once(mut command: Value) -> Value {
    let Some(members) = command.as_object_mut() else { return command };
    if let Some(args) = members.get_mut("args").and_then(Value::as_object_mut) {
        for name in ["start_time", "stop_time", "duration", "response_requested"] {
            args.shift_remove(name);
        }
        if args.is_empty() {
            members.shift_remove("args");
        }
    }
    command
}

/// L10-B-1: whatever a consumer accepts in 1.0 is valid by the schema that it tells, and what is not
/// valid by that it refuses, whichever versions it speaks beside.
#[test]
fn the_schema_that_a_consumer_tells_takes_what_it_accepts_and_nothing_else() {
    let library = Library::built_in();
    let language = Commands::of(library.language(Version::V1_0).schema());
    let newer = Commands::of(library.language(Version::V1_1).schema());
    let (mut id, mut accepted, mut refused) = (0, 0, 0);
    for versions in [&[Version::V1_0][..], &[Version::V1_1, Version::V1_0][..]] {
        for topics in houses(versions) {
            let mut room = room(&topics);
            for consumer in &topics.house.consumers {
                let mut asks = |command: &Value| {
                    id += 1;
                    ask(&mut room, &consumer.id, id, command)
                };
                let query = json!({"action": "query", "target": {"features": ["schema", "pairs"]}});
                let (status, response) = asks(&query);
                assert_eq!(status, 200, "{response}");
                let package = Package::read(response["schema"].to_string().as_bytes()).unwrap();
                let merged = resolve(&package, &[]).unwrap();
                assert_eq!((merged.problems(), &merged.undefined), (vec![], &vec![]));
                let told = Schema::compile(&merged.package, &[], BOUNDS).unwrap();
                let told = Commands::of(&told);
                for right in (0..SEEDS).filter_map(|seed| told.0.example(told.1, seed)) {
                    assert!(language.takes(&right), "{}: it told {right}", consumer.id);
                }
                // What stands in each is likely in random commands: its own targets, and its actuator.
                let own = [
                    json!({"action": "set", "target": {"extension_unr": {"x-iot": {"light": {"level": 50}}}}}),
                    json!({"action": "set", "target": {"extension_unr": {"x-iot": {"light": {"level": 0}}}}}),
                    json!({"action": "delete", "target": {"slpf": {"rule_number": 5}}}),
                    json!({"action": "delete", "target": {"extension": {"slpf": {"rule_number": 5}}}}),
                    json!({"action": "set", "target": {"x-iot": {"light": {"level": 50}}}}),
                    json!({"action": "deny", "target": {"device": {"hostname": "a"}},
                        "actuator": {"extension_unr": {"x-iot": {"asset_id": "7"}}}}),
                    json!({"action": "deny", "target": {"device": {"hostname": "a"}},
                        "actuator": {"extension_unr": {"x-iot": {"asset_id": 7}}}}),
                    json!({"action": "delete", "target": {"slpf": {"rule_number": 5}},
                        "actuator": {"slpf": {"asset_id": "30"}}}),
                ];
                let commands = told.made_up().into_iter().chain(language.made_up()).chain(own);
                let actions: Vec<Value> = response["pairs"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|pair| pair[0].clone())
                    .collect();
                for command in commands {
                    // Of those of both versions the consumer answers by the newer.
                    if versions.len() > 1 && newer.takes(&command) {
                        continue;
                    }
                    let mut variants = vec![command.clone()];
                    if command.get("action").is_some() {
                        variants.extend(actions.iter().map(|action| {
                            let mut variant = command.clone();
                            variant["action"] = action.clone();
                            variant
                        }));
                    }
                    for command in variants {
                        let status = asks(&command).0;
                        // There is no such command; or with an actuator, no such specifiers.
                        let is_command = command["target"].get("command").is_some()
                            && command.get("actuator").is_none();
                        let is_accepted = matches!(status, 0 | 200) || status == 404 && is_command;
                        if is_accepted {
                            accepted += 1;
                            assert!(told.takes(&command), "{} accepted {command}", consumer.id);
                        } else if !told.takes(&command) {
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(accepted > 500 && refused > 4_000, "only {accepted}, {refused}");
}
