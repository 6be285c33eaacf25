"""What transformers says where it fails, made one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vdesc import ModelError


@contextmanager
def told(what: str, step: str) -> Iterator[None]:
    """Makes one `ModelError` of whatever is raised in the block: these libraries raise of all kinds, `Exception` too.

    Args:
        what: what failed, with the model's name.
        step: what the person can do, unless a package is missing, which the error then names.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        step = "install the package that it names" if isinstance(error, ImportError) else step
        raise ModelError(f"{what} ({reason(error)}): {step}") from error


def reason(error: Exception) -> str:
    """The first line of an error's text, or its kind where it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".: ")
