"""A download of one file that goes on where it broke off, in this run or the next."""

from __future__ import annotations

import errno
import html
import re
import sys
import time
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from vdesc import ModelError, OutputError
from vdesc.cache import key

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK, TRIES, SILENCE = 1 << 20, 5, 30.0  # bytes; connections; seconds without a byte
PAUSE = 1.0  # seconds before the second connection, twice that before the third, ...
SLACK = 0.05  # of the expected size


def download(url: str, path: Path, size: int) -> Path:
    """`path`, whole; what has come stays beside it until then, so that another call goes on from there.

    Args:
        url: of the file, or of Google Drive's page that asks for a confirmation.
        size: about how many bytes it has: another file is not fetched.
    Raises:
        ModelError: it is not there, of another size, or the connection broke too often.
        OutputError: there is no room.
    """
    part, problem = path.with_name(f"{path.name}.{key(url)[:8]}.part"), ""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _bar(path.stem) as bar:
        for attempt in range(TRIES):
            time.sleep(attempt * PAUSE)
            try:
                if _more(url, part, size, bar):
                    part.replace(path)
                    return path
            except HTTPError as error:
                if error.code == 416:  # what came before is longer than the file
                    part.unlink(missing_ok=True)
                elif error.code < 500:
                    raise ModelError(f"clipgpt: {url} answers {error.code}: look there with a browser") from error
                problem = f"answer {error.code}"
            except (OSError, HTTPException) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise OutputError(
                        f"there is no room for {path}: make some, or set VDESC_CACHE to another folder; then run again"
                    ) from error
                problem = str(error) or type(error).__name__
    raise ModelError(f"clipgpt: the download of {url} broke off ({problem}): run again to go on")


def _more(url: str, part: Path, size: int, bar: Any) -> bool:
    """Fetches what is missing of a file; whether it is whole now."""
    done = part.stat().st_size if part.exists() else 0
    with _opened(url, done) as answer:
        done = done if answer.status == 206 else 0
        length = answer.headers["Content-Length"]
        total = done + int(length) if length else None
        if total is not None and abs(total - size) > SLACK * size:
            part.unlink(missing_ok=True)
            raise ModelError(f"clipgpt: {url} has {total / 1e6:.0f} MB, not about {size / 1e6:.0f}: it is another file")
        bar(done, total)
        with part.open("ab" if done else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar(file.tell(), total)
            done = file.tell()
    return total is None or done == total


@contextmanager
def _opened(url: str, done: int) -> Iterator[Any]:
    """The answer with the bytes from `done` on; past the page on which Google Drive asks whether one is sure."""
    wanted = {"User-Agent": "vdesc"} | ({"Range": f"bytes={done}-"} if done else {})
    answer = urlopen(Request(url, headers=wanted), timeout=SILENCE)
    if answer.headers.get_content_type() == "text/html":
        with answer:
            page = answer.read(1 << 18).decode(errors="replace")
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        form = re.search(r'<form[^>]* action="([^"]+)"', page)
        if not form or not fields:
            raise ModelError(
                f"clipgpt: {url} gives a page instead of a file (Google Drive does when a file was fetched too often): "
                "try tomorrow, or fetch it with a browser and give the file to vdesc convert"
            )
        answer = urlopen(Request(f"{html.unescape(form[1])}?{urlencode(fields)}", headers=wanted), timeout=SILENCE)
    with answer:
        yield answer


@contextmanager
def _bar(name: str) -> Iterator[Any]:
    """A function of (bytes done, bytes in all or None) that shows them where somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    speed = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), *speed)
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"fetching {name}")
        yield lambda done, total: progress.update(task, completed=done, total=total)
