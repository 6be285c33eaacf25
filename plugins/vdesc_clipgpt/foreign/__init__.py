"""Checkpoints of other programs: a file in, our model out. Each format is a module of this package.

What a file does not say of itself (`Facts`) stands in a YAML file beside it (`model.yaml` for `model.pt`), or is given
to `vdesc convert`.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import ModelError, OutputError
from vdesc.hub import model_folder

from .. import weights
from ..checkpoint import read_tokenizer
from . import clip_gpt, clipcap
from .facts import Facts, beside
from .found import Found, Shapes

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from ..config import ClipGPTConfig
    from ..model import ClipGPTModel

STALE = (".attn.bias", ".attn.masked_bias", ".embeddings.position_ids")  # buffers of transformers 4, no weights
GPT2 = "openai-community/gpt2"
WORDS = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"]
OURS = {"config.json", "generation_config.json", "model.safetensors", "special_tokens_map.json", *WORDS}


def load(path: Path, facts: Facts | None = None) -> tuple[ClipGPTModel, PreTrainedTokenizerBase, Found]:
    """The model of a foreign file in float32, its tokenizer, and what the file was found to be.

    Args:
        path: clip-gpt-captioning's `model.pt` or `epoch_*.pt`, a file of ClipCap's or of NYU's CLIPVideoCap.
        facts: what the file does not say; by default what stands beside it.
    Raises:
        ModelError: it is of none of these formats, damaged, not safe to read, or something that it does not say is
            missing; keys that do not fit are named.
        SettingsError: the file of facts is wrong.
    """
    from ..config import ClipGPTConfig

    facts = beside(path) if facts is None else facts
    held = weights.of_file(path, inside="model_state_dict")
    state = {name: value for name, value in held.items() if not name.endswith(STALE)}
    found = replace(_understood(Shapes(path, state, facts.head), facts), dropped=len(held) - len(state))
    tokenizer = _tokenizer(path, facts, found.settings["decoder"]["vocab_size"])
    config = ClipGPTConfig(**_settings(found, tokenizer))
    if found.encoder is not None:
        state |= _encoder(found, config)
    told = f"{path} looks like {found.format}, but does not fit"
    model = weights.build(config, state, str(path), told, found.names)
    return model.eval(), tokenizer, found


def convert(path: Path, out: Path, facts: Facts | None = None) -> Found:
    """What a foreign file was found to be; `out` becomes a model folder that holds it.

    Raises:
        OutputError: `out` holds something else, or cannot be written; nothing is left of it then.
        ModelError, SettingsError: see `load`.
    """
    _room(out)
    model, tokenizer, found = load(path, facts)
    save(model, tokenizer, out)
    return found


def save(model: ClipGPTModel, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Makes `out` the folder of a model, whole or not at all. Raises `OutputError`, as `convert` does."""
    _room(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent, ignore_cleanup_errors=True) as scratch:
            whole = Path(scratch) / out.name
            with weights.no_bar():
                model.save_pretrained(whole)
            tokenizer.save_pretrained(whole)
            shutil.rmtree(out, ignore_errors=True)
            whole.replace(out)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}; give another folder") from error


def _room(out: Path) -> None:
    if out.exists() and (not out.is_dir() or {inside.name for inside in out.iterdir()} - OURS):
        raise OutputError(f"{out} is there already and is no converted model: give another folder")


def parts(path: Path) -> list[Path]:
    """The files and folders that a foreign model is made of, as far as they are named: its file first."""
    from .encoder import encoder_folder

    facts, notes = beside(path), path.with_suffix(".yaml")
    named = [encoder_folder(facts.encoder)] if facts.encoder else []
    named += [model_folder(facts.tokenizer, "clipgpt", WORDS)] if facts.tokenizer else []
    return [path, *([notes] if notes.is_file() else []), *named]


def _understood(shapes: Shapes, facts: Facts) -> Found:
    for module in (clip_gpt, clipcap):
        if all(any(key.startswith(part) for key in shapes.state) for part in module.PARTS):
            return module.understood(shapes, facts)
    raise ModelError(
        f"clipgpt: {shapes.path} is of another program: its keys ({weights.some(sorted(shapes.state)) or 'none'}) are "
        "neither clip-gpt-captioning's (ie., mp., td.) nor ClipCap's (gpt., clip_project.); give a model folder, or "
        "one of their files"
    )


def _tokenizer(path: Path, facts: Facts, vocabulary: int) -> Any:
    beside_it = facts.tokenizer is None and any((path.parent / name).is_file() for name in WORDS[:2])
    try:
        folder = path.parent if beside_it else model_folder(facts.tokenizer or GPT2, "clipgpt", WORDS)
    except ModelError as error:
        raise ModelError(
            f"clipgpt: the tokenizer of {path} is missing: put GPT-2's vocab.json and merges.txt beside it, or name "
            f"their folder with --set tokenizer=FOLDER of vdesc convert ({error})"
        ) from error
    tokenizer = read_tokenizer(folder)
    if len(tokenizer) != vocabulary:
        raise ModelError(
            f"clipgpt: the tokenizer in {folder} knows {len(tokenizer)} tokens, but {path} {vocabulary}: name another "
            "with --set tokenizer=FOLDER of vdesc convert"
        )
    return tokenizer


def _settings(found: Found, tokenizer: Any) -> dict[str, Any]:
    """The settings of `ClipGPTConfig`, with the numbers of the tokens that mean something."""
    end = tokenizer.eos_token_id
    decoder = found.settings["decoder"] | dict(bos_token_id=end, eos_token_id=end)
    stop = tokenizer.encode(found.stop)[0] if found.stop else None
    return found.settings | dict(decoder=decoder, stop=stop)


def _encoder(found: Found, config: ClipGPTConfig) -> dict[str, Tensor]:
    """The weights of the encoder that is not in the file, under our names; the config learns what it is."""
    from .encoder import encoder_folder, projected

    assert found.encoder is not None
    config.encoder, state = projected(encoder_folder(found.encoder), found.width)
    config.image = config.image | {"size": config.encoder["image_size"]}
    return {f"encoder.{name}": value for name, value in state.items()}
