#!/usr/bin/env bash
# Make .env and deploy/barometer.local.yaml with fresh secrets, once; existing files are left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077

fresh() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '='; }
digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

if [ -e .env ] || [ -e deploy/barometer.local.yaml ]; then
  echo ".env or deploy/barometer.local.yaml is there already; remove both to begin anew" >&2
  exit 1
fi
scrape_key=bk_$(fresh)
publish_key=bk_$(fresh)
while IFS= read -r line; do
  case $line in
    SCRAPE_KEY=) line+=$scrape_key ;;
    *_PASSWORD=) line+=$(fresh) ;;
  esac
  printf '%s\n' "$line"
done <deploy/env.example >.env
sed -e "s/SHA256_OF_THE_SCRAPE_KEY/$(digest "$scrape_key")/" \
  -e "s/SHA256_OF_THE_PUBLISH_KEY/$(digest "$publish_key")/" deploy/barometer.yaml >deploy/barometer.local.yaml
chmod 644 deploy/barometer.local.yaml  # no secret in it, and the containers' user reads it
echo "The key for publishing events; shown once and kept nowhere:"
echo "$publish_key"
echo "Next: docker compose up --build --wait"
