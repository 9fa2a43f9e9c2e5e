#!/bin/sh
# Tries this machine's NVIDIA GPU with what lies beside this file: makes an environment of the wheels, without a network,
# the first time, and leaves what it finds in the folder results. Arguments go to project/scripts/gpu_check.py.
#
#   sh check.sh
#   sh check.sh --device cpu --models base         a trial without a GPU
#   PYTHON=/opt/python/bin/python3 sh check.sh     another Python @PYTHON@
set -eu
cd -- "$(dirname -- "$0")"

is_right() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != tuple(map(int, "@PYTHON@".split("."))))' 2>/dev/null; }

if [ ! -e environment/ready ]; then
    python=
    for each in "${PYTHON:-python@PYTHON@}" "${PYTHON:-python3}"; do
        if [ -z "$python" ] && is_right "$each"; then python=$each; fi
    done
    if [ -z "$python" ]; then
        echo "These wheels are for Python @PYTHON@, which is not here. PYTHON may name one." >&2
        exit 1
    fi
    rm -rf environment
    if ! "$python" -m venv environment; then
        echo "Python's modules venv and ensurepip are needed (on Debian and Ubuntu the package python@PYTHON@-venv)." >&2
        exit 1
    fi
    environment/bin/python -m pip install --quiet --no-index --find-links wheels --no-deps --require-hashes \
        --only-binary :all: --no-compile --no-input --disable-pip-version-check -r requirements.txt
    : > environment/ready
fi
export HF_HUB_OFFLINE=1
exec environment/bin/python project/scripts/gpu_check.py @MODELS@ --output results "$@"
