"""Fetches models ahead, so that the service's start need not, and to carry them to a machine without a network.

    python scripts/download_model.py large-v3-turbo
    python scripts/download_model.py small --to usb-stick/models
    python scripts/download_model.py --list

What was cut off is taken up where it stopped; sizes and sums are checked against what the hub states. HF_ENDPOINT names
another hub, HF_TOKEN opens private repositories, HF_HUB_CACHE moves the cache.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(ROOT)

from engines.errors import ModelNotFound  # noqa: E402
from engines.weights.ctranslate2 import source_of, weights_on_this_machine  # noqa: E402
from engines.weights.download import LoggedProgress, download  # noqa: E402 - the path comes first
from engines.weights.names import MODELS, SOURCES, canonical_name  # noqa: E402
from worker.models.remedies import with_remedy  # noqa: E402
from worker.settings import WorkerSettings  # noqa: E402

DEFAULT_ENGINE = "faster-whisper"


def main(words: Sequence[str] | None = None) -> int:
    """words: of the command line; None for those of `sys.argv`."""
    options = _options(words)
    settings = WorkerSettings()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("engines").setLevel("INFO")
    if options.list:
        print(table(settings.data_dir))
        return 0
    engine = options.engine or (settings.engine if settings.engine in SOURCES else DEFAULT_ENGINE)
    try:
        for model in options.models or [settings.model]:
            print(f"{model}: {fetch(model, engine, settings, options.to)}")
    except ModelNotFound as error:
        print(with_remedy(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What is here already is kept: the same command goes on from there.", file=sys.stderr)
        return 130
    return 0


def fetch(model: str, engine: str, settings: WorkerSettings, to: Path | None) -> Path:
    """Where the model lies, once it is there. to: a directory that gets one of its own for each model."""
    target = to / canonical_name(model).replace("/", "--") if to else None
    here = weights_on_this_machine(model, settings.data_dir) if engine == DEFAULT_ENGINE else None
    if here is not None and (target is None or not (here / "model.bin").is_file()):
        return here  # in two halves, it comes with every installation
    if here is not None and target is not None:
        return Path(shutil.copytree(here, target, dirs_exist_ok=True))
    bars = None if sys.stderr.isatty() else LoggedProgress
    return download(source_of(model, engine), to=target, offline=settings.offline, progress=bars)


def table(data_dir: Path) -> str:
    """Names, sizes, languages, and which are on this machine, for faster-whisper."""
    rows = [f"{'name':16} {'download':>9}  {'languages':9}  on this machine"]
    for model in MODELS:
        here = weights_on_this_machine(model.name, data_dir)
        rows.append(f"{model.name:16} {model.megabytes:>6} MB  {model.languages:9}  {here or ''}".rstrip())
    return "\n".join(rows)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or Hugging Face ids; default: WHISPER_MODEL")
    parser.add_argument("--engine", choices=sorted(SOURCES), help="whose weights; default: WHISPER_ENGINE")
    parser.add_argument("--to", type=Path, metavar="DIRECTORY", help="plain copies there, instead of the hub's cache")
    parser.add_argument("--list", action="store_true", help="names, sizes, and which are on this machine")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
