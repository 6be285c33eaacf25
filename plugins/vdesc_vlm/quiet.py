"""What transformers says: kept from the terminal, and made one sentence where it is an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR, getLogger

from vdesc import ModelError


@contextmanager
def quietly() -> Iterator[None]:
    """In the block transformers shows no progress bars and no warnings: what matters is said in a sentence."""
    from transformers.utils import logging

    few_bits = getLogger("bitsandbytes")
    shown, level, other = logging.is_progress_bar_enabled(), logging.get_verbosity(), few_bits.level
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    few_bits.setLevel(ERROR)  # else it warns at each layer of each step
    try:
        yield
    finally:
        few_bits.setLevel(other)
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


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
