#!/bin/bash
# Has docker-compose read docker-compose.yml (Debian: docker-compose). Nothing is built or started.
# With CI=1 it must be there; otherwise its absence is told.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v docker-compose >/dev/null; then
    echo "docker-compose.yml was not checked: docker-compose is not installed" >&2
    case "${CI:-}" in
        1 | true) exit 1 ;;
        *) exit 0 ;;
    esac
fi
docker-compose --file docker-compose.yml config --quiet
echo "docker-compose.yml is well-formed"
