#!/bin/bash
# Has docker-compose read docker-compose.yml, where it is installed (Debian: docker-compose).
# Nothing is built or started.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v docker-compose >/dev/null; then
    echo "docker-compose.yml was not checked: docker-compose is not installed"
    exit 0
fi
docker-compose --file docker-compose.yml config --quiet
echo "docker-compose.yml is well-formed"
