#!/bin/bash
# Runs every test and ends with the counts of tests passed, failed and skipped.
#
# A test that leaves itself out says so with a line `skipped: <test>: <why>` on
# standard error and returns; the test runner counts it as passed, this script
# does not. `skipped on <broker>: <test>: <why>` is a part of a test that one of
# its brokers cannot show; it is repeated here too, and the test counts as run.
# Arguments go to `cargo test`. Without any, the tests of the promise (faults) and those of the
# journal run by themselves, so that the last lines can say how long they took.
# The feature fail-points lets the tests of the promise end the
# bridge where it hurts; no build for use has it.
set -uo pipefail

# Longest time for all tests together once they are built, in seconds.
readonly DEADLINE="${OC2_TEST_DEADLINE:-1200}"
# As much of the output as helps when something fails, in lines.
readonly TAIL=400

log="${CARGO_TARGET_DIR:-target}/test-output.txt"
mkdir -p "$(dirname "$log")"
# Brokers live where only root's PATH leads.
export PATH="$PATH:/usr/sbin:/sbin"

cargo test --locked --features fail-points --no-run "$@" || exit 1

status=0
times=()
began=$SECONDS
: >"$log"

# Runs some of the tests, within what is left of the time. --show-output, since the runner keeps
# what a passing test wrote to itself.
run() {
    local what=$1 from=$SECONDS left ended first
    shift
    first=$(($(wc -l <"$log") + 1))
    left=$((DEADLINE - (from - began)))
    # 0 would be no deadline.
    timeout --kill-after=10 "$((left > 0 ? left : 1))" \
        cargo test --locked --features fail-points --no-fail-fast "$@" --show-output >>"$log" 2>&1
    ended=$?
    if [ "$ended" -ne 0 ]; then
        tail -n "+$first" "$log" | tail -n "$TAIL"
        echo "(all of it: $log)"
        [ "$status" -eq 124 ] || [ "$status" -eq 137 ] || status=$ended
    fi
    times+=("$what: $((SECONDS - from)) s")
}

if [ "$#" -gt 0 ]; then
    run "the tests asked for" "$@" --
else
    run "tests of the promise (faults::)" --tests -- faults::
    run "tests of the journal (journal::tests::)" --tests -- journal::tests:: --skip faults::
    run "all other tests" -- --skip faults:: --skip journal::tests::
fi

if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    echo "the tests did not end within $DEADLINE seconds"
fi
grep -E '^skipped( on [^:]*)?: ' "$log" | sort -u

printf '%s\n' "${times[@]}"
awk '
    /^test result: / { passed += $4; failed += $6; skipped += $8; seen = 1 }
    /^skipped: / && !($0 in said) { said[$0] = 1; left_out++ }
    END {
        if (!seen) { print "no test ran"; exit 1 }
        printf "%d passed, %d failed, %d skipped\n", passed - left_out, failed, skipped + left_out
    }
' "$log" || status=1
exit "$status"
