#!/bin/bash
# Writes the table of docs/reliability.md, and the short one of README.md, from
# the lines `reliability: | [N] … |` that tests print. Rows stand in the order
# of their numbers. Arguments: files with the output of a run; those that are
# not there belong to another kind of run.
set -euo pipefail
export LC_ALL=C

readonly PAGE=docs/reliability.md
readonly SUMMARY=README.md

# Rows of the short table. Controls are for the long one.
readonly SHORT='^\| \[(1|2|7|9|14|27)\] '
readonly LONG_ONLY='\] control: '

outputs=()
for file in "$@"; do
    [ ! -e "$file" ] || outputs+=("$file")
done
if [ "${#outputs[@]}" -eq 0 ]; then
    echo "no output of a run among: $*; make test or make soak first" >&2
    exit 1
fi

made=$(mktemp)
trap 'rm -f "$made"' EXIT

# Puts rows between the marks of a page.
publish() {
    local page=$1 rows=$2
    ROWS="$rows" awk '
        /^<!-- end of the table/ { inside = 0 }
        !inside { print }
        /^<!-- table/ {
            print "\n| what was done | what it showed |\n| --- | --- |\n" ENVIRON["ROWS"] "\n"
            inside = 1; found = 1
        }
        END { exit !found }
    ' "$page" >"$made"
    cat "$made" >"$page"
    echo "$page: $(grep --count . <<<"$rows") rows"
}

rows=$(grep --no-filename --only-matching 'reliability: | \[.*' "${outputs[@]}" | sed 's/^reliability: //' |
    sort -u | sort --stable --field-separator='[' --key=2,2n)
publish "$PAGE" "$rows"
publish "$SUMMARY" "$(grep --extended-regexp "$SHORT" <<<"$rows" | grep --invert-match "$LONG_ONLY")"
