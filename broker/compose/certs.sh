#!/bin/sh
# Makes the certificates of docker-compose.yml; what is there already stays. All of them go to
# certs/compose/ for whoever owns the checkout, and to broker and bridge just their own, in folders
# of theirs. Runs as root in a container of its own, in the checkout.
#
#   broker/compose/certs.sh BROKER_FOLDER BRIDGE_FOLDER
set -eu

# Users in the two images: eclipse-mosquitto, and our own Dockerfile.
BROKER_USER=1883
BRIDGE_USER=10001

broker/certs.sh certs/compose broker bridge@localhost operator soar-1
owner=$(stat -c %u:%g broker)
chown "$owner" certs
chown -R "$owner" certs/compose

# give USER FOLDER FILE...
give() {
    user=$1
    folder=$2
    shift 2
    chown "$user" "$folder"
    for file in "$@"; do
        install -o "$user" -m 400 "certs/compose/$file" "$folder/$file"
    done
}
give "$BROKER_USER" "$1" ca.crt server.crt server.key
give "$BRIDGE_USER" "$2" ca.crt bridge.crt bridge.key
