#!/bin/sh
# An actuator that does what the command says: x-probe:act {"do": "..."}. Its one argument is
# the folder with `acts`, where it writes down what it did and what it ended, and `gate`, at
# which it waits.
dir=$1
IFS= read -r line
id=${line#*'"id":"'}
id=${id%%\"*}
type=${line#*'"type":"'}
type=${type%%\"*}
command=${line#*'"command":'}
act=${command#*'"do":"'}
act=${act%%\"*}

respond() { printf '{"type":"response","id":"%s","response":%s}\n' "$id" "$1"; }
progress() { printf '{"type":"progress","id":"%s","status_text":"%s"}\n' "$id" "$1"; }
pass() { IFS= read -r _ <"$dir/gate"; }

if [ "$type" = stop ]; then
    printf 'stop %s\n' "$act" >>"$dir/acts"
    respond '{"status":200}'
    exit
fi
printf '%s\n' "$act" >>"$dir/acts"
case $act in
work) respond '{"status":200,"results":{"x-probe":{"did":"work"}}}' ;;
wait) pass && respond '{"status":200}' ;;
tell) progress half && pass && respond '{"status":200,"status_text":"done"}' ;;
repeat) respond "{\"status\":200,\"results\":{\"x-probe\":{\"heard\":$line}}}" ;;
fail) exit 3 ;;
usage) exit 64 ;;
unavailable) exit 69 ;;
unsupported) exit 78 ;;
crash) kill -KILL $$ ;;
hang) exec sleep 600 ;;
nothing) ;;
garbage) echo 'all is well' ;;
other) id=0 && respond '{"status":200}' ;;
unending) respond '{"status":102}' ;;
unknown) respond '{"status":299}' ;;
twice) respond '{"status":200}' && respond '{"status":200}' ;;
afterwards) respond '{"status":200}' && exit 1 ;;
esac
