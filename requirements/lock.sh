#!/usr/bin/env bash
# Write the locked requirements anew: hashes, markers for every platform and Python, no index addresses.
#   requirements/lock.sh [upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/bootstrap.sh

find_python
find_uv || { echo "make lock needs uv, and it could not be installed" >&2; exit 1; }

options=(--quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock")
[ "${1:-}" != upgrade ] || options+=(--upgrade)
compile() { "$UV" pip compile "${options[@]}" "$@" >/dev/null; }

compile pyproject.toml --extra fast --output-file requirements/runtime.txt
compile --group pyproject.toml:build --constraints requirements/runtime.txt --output-file requirements/build.txt
compile pyproject.toml --extra fast --group test --group lint --group build \
  --constraints requirements/runtime.txt --constraints requirements/build.txt \
  --output-file requirements/dev.txt
compile requirements/bench-peer.in --output-file requirements/bench-peer.txt
wc -l requirements/*.txt
