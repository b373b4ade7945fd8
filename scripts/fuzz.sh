#!/bin/bash
# Fuzzes the readers of schemas and messages: `scripts/fuzz.sh [SECONDS [TARGET...]]`.
#
# Coverage alone, which stable Rust can: no code of these rooms is unsafe, so that a
# sanitizer would watch over nothing. What is found lies in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds="${1:-600}"
shift || true
targets=("${@:-}")
[ -n "${targets[0]}" ] || targets=(schema message_json message_cbor)

# As cargo-fuzz has it. With --target, only what runs is instrumented, and not what builds it.
host="$(rustc -vV | sed -n 's/^host: //p')"
export RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
nice cargo build --release --locked --target "$host"

for target in "${targets[@]}"; do
    # New inputs go to a folder of their own; the corpus in the repository stays small.
    mkdir -p "found/$target" "artifacts/$target"
    nice "target/$host/release/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="artifacts/$target/" -print_final_stats=1 \
        "found/$target" "corpus/$target"
done
