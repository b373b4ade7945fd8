//! Our own verdict and that of our JSON Schema, by another implementation.

use super::*;

/// Made-up messages, half of them wrong in one way, for each root.
const SEEDS: u64 = 10_000;

/// Messages on which the two may differ, for what JSON Schema cannot say.
fn may_differ(message: &Value) -> bool {
    let text = message.to_string();
    // An IPv6 range is only checked for its characters there.
    text.contains("ipv6")
}

#[test]
fn our_json_schema_agrees_with_us() {
    for (file, roots) in [
        (LANGUAGE_11, &["Message", "OpenC2-Command", "OpenC2-Response"][..]),
        (LANGUAGE_10, &["OpenC2-Command", "OpenC2-Response"]),
    ] {
        let schema = compiled(file);
        for root in roots {
            let node = schema.type_named(root).unwrap();
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&schema.to_json_schema(node))
                .unwrap();
            let mut compared = 0;
            for seed in 0..SEEDS {
                let good = schema.example(node, seed);
                let bad = schema.mutant(node, seed).map(|it| it.message);
                for message in [good, bad].into_iter().flatten().filter(|it| !may_differ(it)) {
                    let ours = is_valid(&schema, root, &message);
                    assert_eq!(validator.is_valid(&message), ours, "{root}: {message}");
                    compared += 1;
                }
            }
            assert!(compared > SEEDS, "{root}: {compared}");
        }
    }
}
