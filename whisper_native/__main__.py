"""`python -m whisper_native` is the command whisper-native."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command of `sys.argv` and ends with its exit code."""
    from whisper_native.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
