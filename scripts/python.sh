#!/bin/sh
# Runs its arguments with a Python: the one named by PYTHON, the project's own, or what the system has.
# Which version may run the service is decided in setup_environment.py; here any that starts will do.
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1

starts() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    starts "$PYTHON" && exec "$PYTHON" "$@"
    echo "PYTHON is set to '$PYTHON', which does not start. Set it to a Python 3.11, 3.12 or 3.13." >&2
    exit 1
fi
for candidate in "$root/.venv/bin/python" python3 python3.13 python3.12 python3.11 python; do
    starts "$candidate" && exec "$candidate" "$@"
done
if command -v uv >/dev/null 2>&1 && found=$(uv python find '>=3.11,<3.14' 2>/dev/null); then
    exec "$found" "$@"
fi
echo "No Python was found. Install Python 3.11, 3.12 or 3.13, or point PYTHON at one: PYTHON=/path/to/python3.12 make" >&2
exit 1
