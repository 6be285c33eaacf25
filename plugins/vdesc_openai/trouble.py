"""Why a server gave no answer, as a sentence with the next step; and what its states and headers mean."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP states of which the same request may be free at the next try."""
FINAL = frozenset({301, 302, 303, 307, 308, 401, 403, 404})
"""HTTP states that every other request would get too."""
TOLD = 200
"""Most characters of a server's own words."""


class Trouble(Exception):
    """Why a request got no answer: one sentence that names the server, what it did, and the next step.

    Attributes:
        status: the HTTP state, or None where there was none.
        again: whether the next try may fare better.
        final: whether any other request would fare the same.
        wait: seconds that the server asked to wait before the next try, or None.
        param: the parameter that the server named as the wrong one, or "".
    """

    def __init__(
        self, sentence: str, status: int | None = None, *, again: bool = False, final: bool = False,
        wait: float | None = None, param: str = "",
    ):  # fmt: skip
        super().__init__(sentence)
        self.status, self.again, self.final, self.wait, self.param = status, again, final, wait, param

    @property
    def passing(self) -> bool:
        """Whether the same request may be answered another day: the server was at fault, not what it was asked."""
        return self.again or self.status is None


def meaning(status: int, key_env: str, key: bool) -> tuple[str, str]:
    """What an HTTP state says of the server, and the next step.

    Args:
        key_env: the environment variable of the key.
        key: whether one was sent.
    """
    if status == 401:
        return ("does not accept the key" if key else "asks for a key"), f"put a valid one into {key_env}"
    if status == 429:
        return "takes no more requests now", "lower openai.in_flight or try again later"
    if status >= 500:
        return "failed", "look at the server's log"
    known = {
        403: ("does not allow this", f"see what the key in {key_env} may do"),
        404: ("has no chat completions", "see that openai.url is right; it usually ends in /v1"),
        413: ("finds the pictures too large", "lower openai.side or openai.frames"),
    }
    elsewhere = ("sends elsewhere, where the key must not go", "set openai.url to the final address")
    refuses = ("refuses the request", "see that the model takes pictures, and check the options")
    return known.get(status, elsewhere if 300 <= status < 400 else refuses)


def told(raw: bytes) -> tuple[str, str]:
    """The server's own words in the body of an error, as they stand, and the parameter that it names; or "" each."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return "", ""
    said = value.get("error", value) if isinstance(value, dict) else ""
    if not isinstance(said, dict):
        return said if isinstance(said, str) else "", ""
    text = said.get("message") or said.get("detail") or ""
    return text if isinstance(text, str) else json.dumps(text), str(said.get("param") or "")


def retry_after(header: str) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: a number or a date), or None."""
    header = header.strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - datetime.now(timezone.utc)).total_seconds())
