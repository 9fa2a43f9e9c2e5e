"""Measures the page with very long transcripts in a headless Chromium, on the running service of this machine.

    python scripts/benchmark_page.py
    python scripts/benchmark_page.py --words 250000 --url http://127.0.0.1:9001 --api-key sk-…

Each transcript is made up, and its job is deleted afterwards. Nothing else should compute meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(ROOT)

from scripts.page.figures import Figures, measure  # noqa: E402 - the path comes first
from scripts.page.long_job import prolong  # noqa: E402
from worker.settings import WorkerSettings  # noqa: E402
from worker.store.job_store import LocalStore  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SAMPLE = ROOT / "samples" / "meeting.mp3"
WAIT = 120  # seconds for the sample's transcript


def main() -> int:
    options = _options()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("There is no Chromium: apt-get install chromium, or name one in PATH.", file=sys.stderr)
        return 2
    headers = {"authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    store = LocalStore(WorkerSettings().data_dir)
    with httpx.Client(base_url=options.url, headers=headers, timeout=WAIT, trust_env=False) as client:
        for words in options.words:
            print(f"{words} words:", json.dumps(_measured(client, store, program, words).rounded()), _load())
    return 0


def _measured(client: httpx.Client, store: LocalStore, program: str, words: int) -> Figures:
    job_id = _job(client)
    try:
        prolong(store, job_id, words)
        return _in_browser(program, str(client.base_url).rstrip("/"), dict(client.headers), job_id)
    finally:
        client.delete(f"/v1/jobs/{job_id}")


def _job(client: httpx.Client) -> str:
    with SAMPLE.open("rb") as file:
        answer = client.post("/v1/jobs", files={"file": (SAMPLE.name, file)})
    job_id: str = answer.raise_for_status().json()["id"]
    job = client.get(f"/v1/jobs/{job_id}", params={"wait": WAIT // 2}).raise_for_status().json()
    if job["status"] != "finished":
        raise SystemExit(f"The sample is {job['status']} after {WAIT // 2} seconds: is the service busy?")
    return job_id


def _in_browser(program: str, url: str, headers: dict[str, str], job_id: str) -> Figures:
    from playwright.sync_api import sync_playwright

    options = ["--autoplay-policy=no-user-gesture-required"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")
    key = {name: value for name, value in headers.items() if name == "authorization"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        page = browser.new_page(viewport={"width": 1200, "height": 800}, extra_http_headers=key)
        figures = measure(page, f"{url}/page#/jobs/{job_id}")
        browser.close()
    return figures


def _load() -> str:
    return f"(load {os.getloadavg()[0]:.1f})" if hasattr(os, "getloadavg") else ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:9001", help="the service; it must run on this machine")
    parser.add_argument("--api-key", default="", help="if the service asks for one")
    parser.add_argument("--words", type=int, nargs="+", default=[100_000, 250_000])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
