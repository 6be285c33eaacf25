"""The HTML file: its parts put together, what comes from data escaped, a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from html import escape
from pathlib import Path
from typing import Any

from vdesc import write_atomic

from ..comparison import Comparison
from .data import page_data

HERE = Path(__file__).parent
STYLES = ("theme", "frame", "stage", "glance", "list", "slots")
SCRIPTS = ("dom", "state", "votes", "player", "timeline", "charts", "glance", "slots", "list", "keyboard", "main")
"""In the order in which they follow each other in the file."""


def write_page(comparison: Comparison, path: Path) -> Path:
    """`path`, now the page: whole or not at all. It names the video relative to itself; move them together.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, page(comparison, path.parent))


def page(comparison: Comparison, folder: Path) -> bytes:
    """The page as UTF-8 HTML; equal comparisons give equal bytes.

    Args:
        folder: where it will lie.
    """
    style = "\n".join((HERE / "style" / f"{name}.css").read_text("utf-8") for name in STYLES)
    script = "\n".join((HERE / "script" / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    parts = {
        "title": escape(f"{comparison.scene.video.path.name} - vdesc"),
        "policy": escape(policy(script, style)),
        "style": style,
        "script": script,
        "data": embedded(page_data(comparison, folder)),
    }
    frame = (HERE / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], frame).encode("utf-8", "replace")


def policy(script: str, style: str) -> str:
    """The Content-Security-Policy: these two texts alone run and style; pictures and video come from this place."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src 'self' file: data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def embedded(value: Any) -> str:
    """JSON that can stand inside an HTML script element: it holds no character that could end it or start markup.

    Numbers that JSON lacks (NaN, infinities) become null.
    """
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
