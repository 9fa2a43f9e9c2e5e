"""GET /: says that the service runs, and how to use it."""

from __future__ import annotations

import base64
import hashlib
import html
from pathlib import Path
from string import Template

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.state import AppStateDep

router = APIRouter()

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem;
  color: #1b1b1f; background: #fff; }
pre { background: #f2f2f5; padding: .8rem 1rem; border-radius: .4rem; overflow-x: auto; }
a { color: #0b57d0; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6ea; background: #17171a; } pre { background: #242429; } a { color: #8ab4f8; }
}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


@router.get("/", include_in_schema=False)
async def page(request: Request, service: AppStateDep) -> HTMLResponse:
    base_url = html.escape(f"{request.url.scheme}://{request.headers.get('host', 'localhost:9001')}")
    needs_key = bool(service.settings.api_keys)
    content = _PAGE.substitute(
        style=_STYLE,
        base_url=base_url,
        model=html.escape(service.models.default),
        curl_key="-H &quot;Authorization: Bearer $WHISPER_API_KEY&quot; " if needs_key else "",
        python_key="os.environ[&quot;WHISPER_API_KEY&quot;]" if needs_key else "&quot;none&quot;",
        python_import="import os\n\n" if needs_key else "",
    )
    return HTMLResponse(content, headers={"content-security-policy": _POLICY})
