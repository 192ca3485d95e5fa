#!/usr/bin/env bash
# Bring .venv to the locked requirements and the project itself into it, by uv or, failing that, by pip.
#   requirements/install.sh runtime | dev | bench-peer
set -euo pipefail
cd "$(dirname "$0")/.."
. requirements/bootstrap.sh

set_name=${1:?runtime, dev or bench-peer}
venv=.venv
[ "$set_name" != bench-peer ] || venv=.cache/bench-peer
files=("requirements/$set_name.txt")
[ "$set_name" != runtime ] || files+=(requirements/build.txt)

# What needs files that pip did not write (an interpreter that moved away, an interrupted run) starts again.
"$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || rm -rf "$venv"

find_python
started=$SECONDS
if find_uv; then
  [ -x "$venv/bin/python" ] || "$UV" venv --quiet --python "$PYTHON" "$venv"
  with=uv
  install() { VIRTUAL_ENV=$PWD/$venv "$UV" pip install --quiet "$@"; }
else
  with=pip
fi
# An index that only pip's own configuration names is unknown to uv: then pip does it.
if [ $with = uv ] && ! install --require-hashes "${files[@]/#/--requirement=}"; then
  echo "uv could not install; trying pip" >&2
  with=pip
fi
if [ $with = pip ]; then
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    "$PYTHON" -m venv "$venv" || { echo "This Python has no venv with pip (Debian: apt-get install python3-venv)." >&2; exit 1; }
  fi
  install() { "$venv/bin/python" -m pip install --quiet "$@"; }
  install --require-hashes "${files[@]/#/--requirement=}"
fi
if [ "$set_name" != bench-peer ]; then
  install --no-deps --no-build-isolation --editable .
fi
# uv leaves compiling to the first import, and where Python may not write (PYTHONDONTWRITEBYTECODE, as many images
# set it) that is every start of every process, at two seconds of a processor each. What does not compile says so
# when it is imported.
"$venv/bin/python" -m compileall -qq -j 0 "$venv/lib" || true
echo "$venv: $set_name installed by $with in $((SECONDS - started)) s"
