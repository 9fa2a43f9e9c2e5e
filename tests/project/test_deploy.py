"""The files in deploy/ are valid, safe by default, and speak of what is there. No daemon runs them here."""

from __future__ import annotations

import plistlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.cli.command_line import _parser
from scripts.documents.configuration import settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
MAX_EXPOSURE = 20  # tenths, of `systemd-analyze security`; what is not hardened at all has 96


def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile, with those of the stages it begins from."""
    found: dict[str, list[str]] = {}
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for block in re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]:
        first, *rest = filter(None, map(str.strip, block.splitlines()))
        _, base, _, name = first.split()
        found[name] = [*found.get(base, []), *([] if base in found else [first]), *rest]
    return found


@pytest.mark.parametrize("target", ["api", "cpu", "cuda"])
def test_an_image_runs_as_nobody_special_and_is_watched(target: str) -> None:
    instructions = stages()[target]
    assert [row for row in instructions if row.startswith("USER")][-1] == "USER 1000:1000"
    assert sum(row.startswith("HEALTHCHECK") for row in instructions) == 1
    assert sum(row.startswith("CMD") for row in instructions) == 1
    assert not any(row.startswith("ADD") for row in instructions)
    (image,) = [row.split()[1] for row in instructions if row.startswith("FROM")]
    assert re.fullmatch(r"[\w./-]+:\d[\w.-]+", image), "the base has a version"


def test_what_the_images_copy_is_there_and_let_through() -> None:
    ignored = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    for row in (row for rows in stages().values() for row in rows):
        if row.startswith("COPY") and "--from" not in row:
            source = row.split()[1]
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored
    assert ignored[0] == "*", "neither .env nor data/ gets into an image"


def test_packages_of_images_are_pinned_by_hash() -> None:
    installs = re.findall(r"pip install [^\n&]*", DOCKERFILE.read_text())
    assert installs
    assert all("--require-hashes" in row for row in installs)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "docker" / "docker-compose.yml").read_text())["services"]
    return found


def test_services_of_the_compose_file_can_do_little() -> None:
    for name, service in compose().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not str(service["user"]).startswith(("0", "root")), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    assert "ports" not in compose()["redis"]
    options = compose()["redis"]["command"]
    assert options[options.index("--maxmemory-policy") + 1] == "noeviction"


def test_the_compose_file_speaks_of_what_there_is() -> None:
    for name, service in compose().items():
        if build := service.get("build"):
            assert build["target"] in stages(), name
            context = (DEPLOY / "docker" / build["context"]).resolve()
            assert (context / build["dockerfile"]).samefile(DOCKERFILE)
        assert set(service.get("environment", {})) <= set(settings()), name


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_unit_is_valid_and_little_exposed(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "whisper-native.service").read_text()
    unit = tmp_path / "whisper-native.service"
    unit.write_text(text.replace("/opt/whisper-native/.venv/bin/python", f'"{sys.executable}"'))
    ended = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    ours = [line for line in ended.stderr.splitlines() if "whisper-native" in line and "Failed to " not in line]
    assert ours == []
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", str(unit)]
    rated = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" not in rated.stderr:  # of an old systemd
        assert rated.returncode == 0, rated.stdout[-300:]


def test_what_units_start_is_a_command_of_the_launcher() -> None:
    unit = (DEPLOY / "systemd" / "whisper-native.service").read_text()
    agent = plistlib.loads((DEPLOY / "launchd" / "whisper-native.plist").read_bytes())
    windows = ElementTree.parse(DEPLOY / "windows" / "whisper-native.xml").getroot()
    commands = [
        re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)[0].split()[2:],
        agent["ProgramArguments"][2:],
        str(windows.findtext("arguments")).split()[1:],
        str(windows.findtext("stoparguments")).split()[1:],
    ]
    assert [_parser().parse_args(command).command for command in commands] == ["run", "run", "run", "stop"]
    for script in (agent["ProgramArguments"][1].removeprefix("/opt/whisper-native/"), "scripts/whisper-native.py"):
        assert (ROOT / script).exists()
