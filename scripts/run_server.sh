#!/usr/bin/env bash
# Runs the service in the foreground on macOS and Linux; the first time it installs what that needs.
# Options replace settings of .env: --port --host --model --device --compute-type --engine --only
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec sh "$scripts/python.sh" "$scripts/whisper-native.py" run "$@"
