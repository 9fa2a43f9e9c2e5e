"""What a lock asks for on another machine: pip judges a requirement's conditions by the Python that runs pip."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from packaging.markers import Marker

_REQUIREMENT = re.compile(
    r"(?P<name>[^=\s]+)==\S+(?: ; (?P<marker>[^\\]+?))?(?P<hashes> \\\n(?:    --hash=\S+(?: \\)?\n)+)"
)


def requirements(lock: str, python: str, without: Collection[str] = ()) -> str:
    """The requirements of Linux on x86-64, without their conditions. python: "3.12", of which any patch may come to
    run it; without: names of packages, with underscores."""
    return "".join(_wanted(lock, python, without))


def _wanted(lock: str, python: str, without: Collection[str]) -> Iterator[str]:
    for found in _REQUIREMENT.finditer(lock):
        marker = found["marker"]
        is_met = marker is None or any(Marker(marker).evaluate(each) for each in _environments(python))
        if is_met and found["name"].replace("-", "_") not in without:
            yield f"{found[0].split(' ')[0]}{found['hashes']}"


def _environments(python: str) -> Iterator[dict[str, str]]:
    for patch in (0, 99):
        yield {
            "python_version": python,
            "python_full_version": f"{python}.{patch}",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
        }
