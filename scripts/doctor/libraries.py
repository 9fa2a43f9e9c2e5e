"""Libraries and engines: installed, and able to load. A process of its own tries each, since a library that does not
fit the processor ends the process that loads it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from engines.registry import LIBRARIES
from scripts.doctor.finding import Finding, failure, ok
from scripts.setup_environment import is_checkout

NEEDED = ("av", "onnxruntime", "ctranslate2", "tokenizers", "huggingface_hub", "redis", "rq", "fastapi", "docx")
REPAIR = (
    "Run make whisper-native; if that does not help: make clean, and again"
    if is_checkout()
    else "Install it again: pip install --force-reinstall 'whisper-native[server]'"
)
TIMEOUT = 60.0  # seconds for one import

_IMPORT = "import importlib, sys; print(getattr(importlib.import_module(sys.argv[1]), '__version__', 'loads'))"


def libraries(names: Iterable[str] = NEEDED, python: str = sys.executable) -> list[Finding]:
    """One line for all that load, one for each that does not."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: _try(name, python), names))
    loaded = [finding.detail for finding in found if finding.state == "OK"]
    failed = [finding for finding in found if finding.state != "OK"]
    return [*([ok("libraries", ", ".join(loaded))] if loaded else []), *failed]


def _try(name: str, python: str) -> Finding:
    try:
        ended = subprocess.run(
            [python, "-c", _IMPORT, name], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return failure("libraries", f"{name} does not load within {TIMEOUT:.0f} s. Is the disk or the machine busy?")
    if ended.returncode == 0:
        return ok("libraries", f"{name} {ended.stdout.strip()}")
    if ended.returncode < 0:
        why = f"ends its process (signal {-ended.returncode}): it may not fit this processor"
    else:
        why = (ended.stderr.strip().splitlines() or ["for no stated reason"])[-1]
    return failure("libraries", f"{name} does not load: {why}. {REPAIR}.")


def engines(wanted: str) -> Finding:
    """wanted: WHISPER_ENGINE, whose name the settings have checked."""
    installed = [name for name, needs in LIBRARIES.items() if all(map(importlib.util.find_spec, needs))]
    if wanted != "auto" and wanted not in installed and wanted in LIBRARIES:
        return failure("engine", f"The engine '{wanted}' is not installed. Set WHISPER_ENGINE=auto, or install it.")
    if not installed:
        return failure("engine", f"No engine is installed. {REPAIR}.")
    return ok("engine", f"{wanted}; installed: {', '.join(installed)}")
