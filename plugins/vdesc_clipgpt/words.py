"""Words in and out: what the decoder is taught to say, and the sentence that is made of it."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from transformers import PreTrainedTokenizerFast

END = "<|endoftext|>"


def lesson(caption: str, text: str) -> str:
    """The caption as the decoder is to say it: for `lower`, in lower case, single spaces, no final stop."""
    caption = re.sub(r"\s+", " ", caption).strip()
    return re.sub(r"\s+([,;:!?.])", r"\1", caption).rstrip(" .").lower() if text == "lower" else caption


def sentence(words: str) -> str:
    """A sentence for people, of what the decoder said: a capital, a stop, no odd spaces, no control characters."""
    words = _line(re.sub(r"\s+([,;:!?.]|n't\b|'(?:s|re|ve|ll|d|m)\b)", r"\1", _line(words)))
    return words if not words or words[-1] in ".!?" else words + "."


def verbatim(words: str) -> str:
    """What the decoder said, as its makers show it: a capital, and the spaces gone that transformers 4 takes away.

    Its `clean_up_tokenization_spaces`, which was the default; transformers 5 does it no more.
    """
    for spaced in (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"):
        words = words.replace(spaced, spaced.strip())
    return _line(words)


def _line(words: str) -> str:
    """The words on one line with a capital, single spaces, no control characters; empty where no letter is in them."""
    words = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in words)
    words = re.sub(r"\s+", " ", words).strip()
    return words[0].upper() + words[1:] if any(c.isalnum() for c in words) else ""


def train_tokenizer(captions: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `size` tokens learned from the captions, as a transformers tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[END], show_progress=False, initial_alphabet=letters)
    core.train_from_iterator(captions, trainer)
    tokens: dict[str, Any] = dict(bos_token=END, eos_token=END, pad_token=END)
    return PreTrainedTokenizerFast(tokenizer_object=core, **tokens)


def numbered_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A stand-in for models without words of their own: token 7 reads "w7", and the last token is the end."""
    from tokenizers import Tokenizer, models

    vocabulary = {f"w{i}": i for i in range(size - 1)} | {END: size - 1}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=END))
    core.add_special_tokens([END])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token=END, eos_token=END, pad_token=END)
