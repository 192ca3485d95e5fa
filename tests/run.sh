#!/usr/bin/env bash
# Run the checks, all of them also after a failure, and end with what failed.
#   tests/run.sh check    static checks and the fast tests
#   tests/run.sh all      the same, then everything that needs a real part
# Where CI=true a real part that is missing fails the run; elsewhere it is named in the last lines.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
export PATH="$bin:$PATH"
# The tests start hundreds of processes: what one of them compiled of our code the next ones need not.
unset PYTHONDONTWRITEBYTECODE

# Everything that is acknowledged was synced to disk, here thousands of times for nobody: what these tests kill is
# processes, never the machine. So files lie in memory, where there is plenty (KiB).
plenty() { [ "${1:-0}" -gt "$2" ] 2>/dev/null; }
if [ -z "${TMPDIR:-}" ] &&
  plenty "$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)" $((4 << 20)) &&
  plenty "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo 2>/dev/null)" $((10 << 20)); then
  TMPDIR=$(mktemp -d /dev/shm/barometer-XXXXXX) && export TMPDIR
  chmod 711 "$TMPDIR"  # PostgreSQL runs as another user
  trap 'rm -rf "$TMPDIR"' EXIT
fi

real="kafka or postgres or prometheus or e2e or browser"
failed=()
step() {  # step NAME COMMAND ...
  local name=$1 started=$SECONDS
  shift
  echo "== $name"
  "$@" || failed+=("$name")
  echo "== $name: $((SECONDS - started)) s"
}
ends_well() {  # pytest's 5 means that nothing was selected, which is well for a tree still growing
  "$@"
  local code=$?
  [ $code -eq 0 ] || [ $code -eq 5 ]
}

[ "$1" != all ] || step "real parts" tests/servers/install.sh
step format ruff format --quiet --check .
step ruff ruff check --quiet .
step layers lint-imports --cache-dir .cache/import-linter
step types mypy
if [ "$1" = check ]; then
  step "fast tests" ends_well python -m pytest -q -n 2 --dist worksteal -m "not ($real or slow)"
else
  step "tests without real parts" ends_well python -m pytest -q -n 2 --dist worksteal -m "not ($real)" --durations=10
  # They wait more than they work. Each worker has servers of its own (tests/conftest.py: what stays together).
  step "tests with real parts" python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "$real" --durations=15 \
    --require-parts Kafka,PostgreSQL,Prometheus
fi

if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
echo "All passed in $SECONDS s"
