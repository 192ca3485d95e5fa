# Sourced by the scripts beside it: finds Python and uv, and caches that can be written.
# Sets PYTHON, UV and the cache directories; exits with the mend where there is no way on.

export UV_PYTHON_DOWNLOADS=never  # the interpreter that is here, never one from the network
export UV_NO_PROGRESS=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# A home that is missing or cannot be written must not stop an installation.
if ! { [ -n "${HOME:-}" ] && mkdir -p "$HOME/.cache/uv" && [ -w "$HOME/.cache/uv" ]; } 2>/dev/null; then
  export UV_CACHE_DIR="${UV_CACHE_DIR:-$PWD/.cache/uv-cache}" PIP_CACHE_DIR="${PIP_CACHE_DIR:-$PWD/.cache/pip}"
fi

find_python() {
  local candidate
  for candidate in ${BAROMETER_PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      PYTHON=$("$candidate" -c 'import sys; print(sys.executable)')
      return
    fi
  done
  echo "Python 3.11 or newer is needed and none of python3.13, python3.12, python3.11, python3 is one." >&2
  echo "Install one, or name it: make BAROMETER_PYTHON=/path/to/python ..." >&2
  exit 1
}

# uv from the PATH, or installed by pip into .cache/uv. Returns 1 where neither works: pip does then.
find_uv() {
  if UV=$(command -v uv) && "$UV" --version >/dev/null 2>&1; then return; fi
  UV=$PWD/.cache/uv/bin/uv
  if "$UV" --version >/dev/null 2>&1; then return; fi
  echo "Installing uv into .cache/uv"
  rm -rf .cache/uv
  if "$PYTHON" -m venv .cache/uv 2>/dev/null && .cache/uv/bin/python -m pip install -q uv; then return; fi
  # Some systems ship venv without pip; a pip of the system's own can still fill a directory.
  rm -rf .cache/uv
  if "$PYTHON" -m pip install -q --target .cache/uv uv 2>/dev/null && "$UV" --version >/dev/null 2>&1; then return; fi
  rm -rf .cache/uv
  return 1
}
