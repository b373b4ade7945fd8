#!/bin/bash
# Writes the table of docs/reliability.md from the lines `reliability: | … |`
# that tests print. Arguments: files with the output of a run; those that are
# not there belong to another kind of run.
set -euo pipefail

readonly PAGE=docs/reliability.md

outputs=()
for file in "$@"; do
    [ ! -e "$file" ] || outputs+=("$file")
done
rows=$(grep --no-filename --only-matching 'reliability: |.*' "${outputs[@]}" | sed 's/^reliability: //' | sort -u)
made=$(mktemp)
trap 'rm -f "$made"' EXIT
ROWS="$rows" awk '
    /^<!-- end of the table/ { inside = 0 }
    !inside { print }
    /^<!-- table/ {
        print "\n| what was done | what it showed |\n| --- | --- |\n" ENVIRON["ROWS"] "\n"
        inside = 1; found = 1
    }
    END { exit !found }
' "$PAGE" >"$made"
cat "$made" >"$PAGE"
echo "$PAGE: $(grep --count . <<<"$rows") rows"
