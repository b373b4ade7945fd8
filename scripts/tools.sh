#!/bin/bash
# Makes sure of the tools that `make` needs.
#
#   tools.sh rust      rustfmt and clippy beside the compiler
#   tools.sh debian    mosquitto and its clients, Python's venv, openssl, curl, docker-compose, libfaketime, libfiu
#
# As root it installs what is missing; otherwise it prints the one command to run, and fails.
set -euo pipefail

# How long to wait for another apt-get to finish, in seconds.
readonly LOCK_TIMEOUT=300

main() {
    case "${1:-}" in
        rust) rust ;;
        debian) debian ;;
        *) echo "usage: tools.sh rust|debian" >&2; exit 64 ;;
    esac
}

rust() {
    if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
        return
    fi
    if ! command -v rustup >/dev/null; then
        fail "rustfmt or clippy is missing; install both beside your Rust compiler"
    fi
    rustup component add rustfmt clippy
}

debian() {
    local missing=()
    has cc || missing+=(gcc libc6-dev)
    has mosquitto || missing+=(mosquitto)
    has mosquitto_rr || missing+=(mosquitto-clients)
    has openssl || missing+=(openssl)
    has curl || missing+=(curl)
    has docker-compose || missing+=(docker-compose)
    [ -e /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 ] || missing+=(libfaketime)
    has fiu-ctrl || missing+=(fiu-utils libfiu0)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
        fail "missing: ${missing[*]}. On Debian run:
    sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${missing[*]}'"
    fi
    install_packages "${missing[@]}"
}

# Daemons of Debian live where only root's PATH leads.
has() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null
}

# Debian starts a broker when it installs one; the tests start their own, each on
# a free port, and nobody asked for a service that stays.
install_packages() {
    echo "installing: $*"
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        # shellcheck disable=SC2064  # the path as it is now
        trap "rm -f '$policy'" EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o "DPkg::Lock::Timeout=$LOCK_TIMEOUT" update
    apt-get -q -o "DPkg::Lock::Timeout=$LOCK_TIMEOUT" install -y --no-install-recommends "$@"
    if [[ " $* " == *" mosquitto "* ]] && [ -d /run/systemd/system ]; then
        systemctl disable --now mosquitto
    fi
}

fail() {
    echo "$1" >&2
    exit 1
}

main "$@"
