"""Tiny recognisers of the real classes, made for tests: a Whisper checkpoint, and a folder with a CTranslate2 model.

They hear nothing: their decoders are random, but for position embeddings that make each say one sentence, whatever it
is given. All else, from the spectrogram to the search and the alignment of words, is the libraries' own work.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import vdesc  # noqa: F401 - makes transformers importable beside a torchvision that does not fit

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # Whisper's search for the words' times: to compile it takes far longer

SENTENCE = " Ask not what your country can do for you. Ask what you can do for your country."


def whisper_checkpoint(
    path: Path, sentence: str = SENTENCE, english: bool = False, width: int = 16, layers: int = 1
) -> Path:
    """`path`, now a checkpoint as OpenAI's library keeps them; the model called tiny is 384 wide, with 4 layers."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = dict(
        n_mels=80, n_audio_ctx=1500, n_audio_state=width, n_audio_head=max(2, width // 64), n_audio_layer=layers,
        n_vocab=51865 - english, n_text_ctx=448, n_text_state=width, n_text_head=max(2, width // 64),
        n_text_layer=max(2, layers),
    )  # fmt: skip
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(**dims))
    for block in model.decoder.blocks:
        for layer in (block.attn.out, block.cross_attn.out, block.mlp[2]):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    _speaks(model.decoder.token_embedding.weight, model.decoder.positional_embedding, _tokens(sentence, english))
    torch.save({"dims": dims, "model_state_dict": model.state_dict()}, path)
    return path


def ctranslate2_folder(
    folder: Path, sentence: str = SENTENCE, english: bool = False, width: int = 16, layers: int = 1
) -> Path:
    """`folder`, now a Whisper model as CTranslate2 keeps them, with the tokenizer that faster-whisper wants."""
    import torch
    from ctranslate2.converters.transformers import WhisperLoader
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=51865 - english, d_model=width, init_std=1.0, encoder_layers=layers, encoder_ffn_dim=4 * width,
        encoder_attention_heads=max(2, width // 64), decoder_layers=max(2, layers), decoder_ffn_dim=4 * width,
        decoder_attention_heads=max(2, width // 64),
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config).eval()
    for block in model.model.decoder.layers:
        for layer in (block.self_attn.out_proj, block.encoder_attn.out_proj, block.fc2):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    decoder = model.model.decoder
    _speaks(decoder.embed_tokens.weight, decoder.embed_positions.weight, _tokens(sentence, english))
    model.generation_config = GenerationConfig(suppress_tokens=[], begin_suppress_tokens=[])
    vocabulary = _vocabulary(english)
    loader = WhisperLoader()
    spec = loader.get_model_spec(model)
    loader.set_config(spec.config, model, None)
    spec.config.lang_ids = [
        i for i, token in enumerate(vocabulary) if i > 50257 and 5 < len(token) < 8 and "." not in token
    ]
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer(vocabulary), ensure_ascii=False), encoding="utf-8")
    return folder


def _tokens(sentence: str, english: bool) -> list[int]:
    """What the decoder says at each position: at the first a language, after the prompt the sentence, then the end."""
    from whisper.tokenizer import get_tokenizer

    tokenizer = get_tokenizer(not english)
    head = [tokenizer.eot] if english else [tokenizer.to_language_token("ko"), tokenizer.eot, tokenizer.eot]
    return [*head, *tokenizer.encode(sentence), tokenizer.eot]


def _speaks(words: Any, places: Any, said: list[int]) -> None:
    """Has each position ask for its token: all are of one length and mean 0, long enough that the likeliest is sure."""
    import torch

    with torch.no_grad():
        random = torch.randn(words.shape)
        words.copy_(16 * torch.nn.functional.normalize(random - random.mean(1, keepdim=True), dim=1))
        places.copy_(50 * words[torch.tensor([*said, *[said[-1]] * (len(places) - len(said))])])


def _vocabulary(english: bool) -> list[str]:
    """All tokens in order of their ids, as byte-level BPE writes them."""
    from whisper.tokenizer import get_encoding

    encoding, letters = get_encoding("gpt2" if english else "multilingual", 99), _letters()
    plain = sorted(encoding._mergeable_ranks.items(), key=lambda item: item[1])
    special = sorted(encoding._special_tokens.items(), key=lambda item: item[1])
    return ["".join(letters[byte] for byte in token) for token, _ in plain] + [token for token, _ in special]


def _letters() -> list[str]:
    """The letter that stands for each byte (GPT-2's table)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in shown else next(others)) for byte in range(256)]


def _tokenizer(vocabulary: list[str]) -> dict[str, Any]:
    """A tokenizer.json that decodes; it cannot merge, as nothing is encoded."""
    first = vocabulary.index("<|endoftext|>")
    plain = dict(lstrip=False, rstrip=False, normalized=False, single_word=False, special=True)
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [{"id": i, "content": vocabulary[i], **plain} for i in range(first, len(vocabulary))],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {token: i for i, token in enumerate(vocabulary[:first])}, "merges": []},
    }  # fmt: skip
