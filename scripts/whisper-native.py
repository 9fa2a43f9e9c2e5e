#!/usr/bin/env python3
"""Manages the service on macOS, Linux and Windows: start, stop, restart, status, logs, run. See --help."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main() -> int:
    sys.path[0] = ROOT  # instead of scripts/, whose names are no modules
    from scripts.cli.command_line import main

    return main(ROOT)


if __name__ == "__main__":
    sys.exit(main())
