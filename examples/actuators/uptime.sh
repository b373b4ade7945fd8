#!/bin/sh
# Answers `query properties`: uptime, load, memory and disk of this machine.
# Plain POSIX sh, without jq: any machine that has a shell can have it.
#
#   install -m 0755 uptime.sh /usr/local/lib/oc2/uptime
#
#   # topics.toml
#   [actuator.probe]
#   kind = "exec"
#   profile = "x-probe"
#   pairs = { query = ["properties"] }
#   command = ["/usr/local/lib/oc2/uptime"]
#   timeout = "5s"
#   idempotent = true
#
#   oc2 send query properties '["uptime", "load"]' --profile x-probe
#
# What it can read, and what it cannot: it has no JSON parser. It relies on what
# docs/actuators.md promises of the line it gets: no white space between the
# members, the id (digits) before anything a producer wrote, and the members of a
# command in the order of the standard. Inside a string a quotation mark always
# has a backslash before it, so that no text of a producer can look like the
# pattern that finds the command. A command of any other shape is answered 501 (exit code 78),
# never guessed at. Whoever needs more takes jq, or Python as in blocklist.py.
set -u
LC_ALL=C

IFS= read -r line || [ -n "$line" ] || exit 64

case $line in *'"type":"command","id":"'*) ;; *) exit 64 ;; esac
id=${line#*'"type":"command","id":"'}
id=${id%%\"*}
case $id in '' | *[!0-9]*) exit 64 ;; esac

# Status, and the rest of the response.
answer() {
    printf '{"type":"response","id":"%s","response":{"status":%s,%s}}\n' "$id" "$1" "$2"
    exit 0
}

shape='{"action":"query","target":{"properties":['
command=${line#*'"command":'}
case $command in "$shape"*) ;; *) exit 78 ;; esac
names=${command#"$shape"}
after=${names#*]}
names=${names%%]*}

# An argument of a profile is an object, which those of the language are not. None is known here.
case $after in
    '},"args":{'*)
        args=${after#'},"args":{'}
        case ${args%%\}*} in *'{'*) exit 78 ;; esac
        ;;
esac

unknown='"status_text":"no such property: there are uptime, load, memory and disk"'
# Nothing but small letters between the quotation marks: no escapes, no commas.
case $names in *[!a-z\",]*) answer 404 "$unknown" ;; esac

results=
while [ -n "$names" ]; do
    name=${names%%,*}
    names=${names#"$name"}
    names=${names#,}
    case $name in
        '"uptime"') # seconds
            read -r up _ < /proc/uptime || exit 69
            value=${up%.*}
            ;;
        '"load"') # over 1, 5 and 15 minutes
            read -r one five fifteen _ < /proc/loadavg || exit 69
            value="[$one,$five,$fifteen]"
            ;;
        '"memory"') # KiB
            total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
            available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
            value="{\"total_kib\":${total:-null},\"available_kib\":${available:-null}}"
            ;;
        '"disk"') # KiB, of the root file system
            # shellcheck disable=SC2046 # split on purpose
            set -- $(df -P -k / | sed -n '2p')
            [ $# -ge 4 ] || exit 69
            value="{\"size_kib\":$2,\"used_kib\":$3,\"available_kib\":$4}"
            ;;
        *) answer 404 "$unknown" ;;
    esac
    results="$results${results:+,}$name:$value"
done

answer 200 "\"results\":{\"x-probe\":{$results}}"
