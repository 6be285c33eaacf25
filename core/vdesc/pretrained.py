"""Models of transformers as plugins load them: without its reports, and in few bits. Imports it when called."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from logging import ERROR, getLogger
from typing import Any

from .errors import MissingExtra, ModelError


@contextmanager
def quietly() -> Iterator[None]:
    """In the block transformers shows no progress bars and no warnings, nor do peft and bitsandbytes."""
    from transformers.utils import logging

    few_bits = getLogger("bitsandbytes")
    shown, level, other = logging.is_progress_bar_enabled(), logging.get_verbosity(), few_bits.level
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    few_bits.setLevel(ERROR)  # else it warns at each layer of each step
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        few_bits.setLevel(other)
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def quantized(plugin: str, bits: int, dtype: Any, device: str) -> Any:
    """The transformers config that loads a model in few bits: 4 (NF4, doubly quantised: QLoRA, arXiv 2305.14314) or 8.

    Args:
        plugin: who asks, for the sentences.
        dtype: the torch dtype that 4-bit layers compute in.
        device: a torch device, as in `cuda:0`.
    Raises:
        MissingExtra: bitsandbytes or accelerate is not installed.
        ModelError: other numbers of bits, or a device that cannot.
    """
    if bits not in (4, 8):
        raise ModelError(f"{plugin}: a model is loaded in 4 or 8 bits, not in {bits}")
    for package in ("bitsandbytes", "accelerate"):
        if find_spec(package) is None:
            raise MissingExtra(f"{plugin} in {bits} bits", package, "llm")
    if device.startswith("mps"):
        raise ModelError(f"{plugin}: {bits} bits do not run on '{device}': leave bits away, or take a GPU of NVIDIA's")
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
