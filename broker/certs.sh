#!/bin/sh
# Makes a small certificate authority, a certificate for the broker, and one for
# each client: to begin with, and for tests. Needs openssl.
#
#   broker/certs.sh FOLDER SERVER_NAME [CLIENT | NAME@HOST]...
#
# FOLDER       where ca.crt, server.crt, bridge.crt, … and their keys go; made if missing
# SERVER_NAME  host name or IPv4 address at which clients reach the broker (localhost and
#              127.0.0.1 are always in the certificate too)
# CLIENT       names for client certificates: a producer; without any: bridge operator
# NAME@HOST    a certificate for one who is a client and a server as well, reached at HOST: a bridge
#              with an HTTPS door, or a consumer behind HTTPS
#
# All four parties, a broker, a bridge, a producer and a consumer:
#
#   broker/certs.sh certs broker.example bridge@bridge.example soar-1 edr-1@edr.example
#
# What exists is left as it is, so a later call adds clients to the same authority.
# Keys are readable by their owner only: where mosquitto is started as root it becomes a user
# of its own, who must own server.key (chown mosquitto FOLDER/server.key). Keep ca.key away from the broker.
set -eu

# Validity in days: of the authority, and of what it signs.
CA_DAYS=3650
LEAF_DAYS=397

if [ $# -lt 2 ]; then
    sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 64
fi
folder=$1
server=$2
shift 2
[ $# -gt 0 ] || set -- bridge operator

# The folder may be entered by all: the broker is a user of its own. Keys are for their owner.
mkdir -p "$folder"
umask 077
cd "$folder"

# new_key FILE
new_key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

# sign NAME COMMON_NAME EXTENSIONS: NAME.key and NAME.crt
sign() {
    if [ -e "$1.crt" ]; then
        return
    fi
    new_key "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
    printf '%s\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial \
        -days "$LEAF_DAYS" -sha256 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    rm -f "$1.csr" "$1.ext"
    chmod 644 "$1.crt"
    echo "$folder/$1.crt"
}

if [ ! -e ca.crt ]; then
    new_key ca.key
    openssl req -x509 -new -key ca.key -sha256 -days "$CA_DAYS" -subj "/CN=OpenC2 bridge test CA" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.crt
    chmod 644 ca.crt
    echo "$folder/ca.crt"
fi

# reached_at HOST: alternative names of a server
reached_at() {
    case $1 in
        *[!0-9.]*) echo "DNS:$1,DNS:localhost,IP:127.0.0.1" ;;
        *) echo "IP:$1,DNS:localhost,IP:127.0.0.1" ;;
    esac
}

sign server "$server" "basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=$(reached_at "$server")"

for party in "$@"; do
    client=${party%%@*}
    case $client in
        '' | *[!A-Za-z0-9._-]* | ca | server)
            echo "no name for a client: '$client' (letters, digits, . _ -)" >&2
            exit 64
            ;;
    esac
    usage=clientAuth
    names="DNS:$client"
    case $party in
        *@)
            echo "no host in '$party': NAME@HOST" >&2
            exit 64
            ;;
        *@*)
            usage=clientAuth,serverAuth
            names="$names,$(reached_at "${party#*@}")"
            ;;
    esac
    sign "$client" "$client" "basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=$usage
subjectAltName=$names"
done
