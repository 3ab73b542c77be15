#!/usr/bin/env bash
# Build the compiled operators and the evaluator's core inside this checkout.
# Usage: bash compile.sh [--force] [--evaluator]
# Which Python: $PYTHON if set, else the active environment, else .venv of this checkout, else python3 on PATH.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

if [ -n "${PYTHON:-}" ]; then
    python="$PYTHON"
elif [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && command -v python >/dev/null; then
    python=python
elif [ -x "$here/.venv/bin/python" ]; then
    python="$here/.venv/bin/python"
elif command -v python >/dev/null; then
    python=python
elif command -v python3 >/dev/null; then
    python=python3
else
    echo "error: no Python found; install Python 3.10 or newer, or set PYTHON" >&2
    exit 1
fi
exec "$python" "$here/build_native.py" "$@"
