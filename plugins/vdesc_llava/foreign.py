"""Checkpoints of system E (Korean video captioning): a file in, our config and its projector out.

A file is a table with `projector_state_dict` and what its training remembered. It holds no LoRA weights and names no
bases: those were CLIP-ViT-L/14-336 and Qwen3-8B, which are taken for granted where the widths are theirs.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from vdesc import ModelError, OutputError

from . import projectors
from .bases import llm_config, plain
from .checkpoint import PROJECTOR, write
from .config import LlavaConfig
from .places import base_folder
from .tower import vision_config
from .weights import compare

if TYPE_CHECKING:
    from torch import nn

INSIDE = "projector_state_dict"
TEMPLATE = "<video>{instruction}"
CLIP: dict[str, Any] = dict(
    model_type="clip_vision_model", hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
    num_attention_heads=16, image_size=336, patch_size=14, projection_dim=768,
)  # fmt: skip
QWEN: dict[str, Any] = dict(
    model_type="qwen3", hidden_size=4096, intermediate_size=12288, num_hidden_layers=36, num_attention_heads=32,
    num_key_value_heads=8, head_dim=128, vocab_size=151936, max_position_embeddings=40960, rms_norm_eps=1e-6,
    rope_parameters={"rope_type": "default", "rope_theta": 1000000}, tie_word_embeddings=False,
)  # fmt: skip
BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "tower": ("openai/clip-vit-large-patch14-336", CLIP),
    "llm": ("Qwen/Qwen3-8B", QWEN),
}


def read(path: Path) -> dict[str, Tensor]:
    """The projector's weights of a file, float32. Raises `ModelError` where it is none of system E's, or not safe."""
    if not path.is_file():
        raise ModelError(f"llava: there is no file {path}: check its name")
    held = _unpickled(path)
    state = held.get(INSIDE) if isinstance(held, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"llava: {path} has no {INSIDE}: it is no checkpoint of the Korean video captioner")
    state = {str(key).removeprefix("module."): value.float() for key, value in state.items()}
    return state


def _unpickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"llava: {path} is refused, because it is a pickle with more in it than tensors, which could run code: "
            f"save its {INSIDE} alone"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise ModelError(f"llava: {path} is damaged, or no file of PyTorch's: fetch it again") from error


def understood(state: Mapping[str, Tensor], path: Path, **more: Any) -> LlavaConfig:
    """The config of a projector that its keys and shapes tell.

    Args:
        more: settings of the config that the file cannot tell, such as `tower`, `llm`, `heads`, and the bases' configs
            where they are not system E's.
    Raises:
        ModelError: it is none of the four projectors.
    """
    kind = _kind(state)
    if kind is None:
        known = ", ".join(sorted(state)[:3]) or "none"
        raise ModelError(f"llava: the keys of {path} ({known}, ...) are none of the four projectors'")
    first = state["proj.weight" if kind == "linear" else "proj.0.weight" if kind == "mlp2x" else "input_proj.weight"]
    hidden, width = first.shape
    values: dict[str, Any] = dict(
        projector=kind, layer=-1, cls=False, init="plain", normalize=False, frame_positions=False,
        time_positions=False, template=TEMPLATE, language="ko", max_tokens=128,
    )  # fmt: skip
    if "queries" in state:
        values["queries"] = len(state["queries"])
        values["depth"] = len({key.split(".")[1] for key in state if key.startswith("layers.")}) or 2
    for base, size in (("tower", width), ("llm", hidden)):
        name, usual = BASES[base]
        if usual["hidden_size"] == size:
            values |= {base: name, f"{base}_config": usual}
    config = LlavaConfig(**values | {key: value for key, value in more.items() if value is not None})
    _check(config, path, width, hidden)
    return config


def _check(config: LlavaConfig, path: Path, width: int, hidden: int) -> None:
    for base, size in (("tower", width), ("llm", hidden)):
        if not getattr(config, f"{base}_config"):
            raise ModelError(
                f"llava: {path} is for a {base} {size} wide, which it does not name: give --set {base}=FOLDER"
            )
    if (config.width, config.hidden) != (width, hidden):
        raise ModelError(
            f"llava: {path} joins a tower {width} wide and an LLM {hidden} wide, but '{config.tower}' is "
            f"{config.width} and '{config.llm}' {config.hidden} wide: name others"
        )


def _kind(state: Mapping[str, Tensor]) -> str | None:
    if "output_norm.weight" in state:
        return "perceiver"
    if "cross_attn.in_proj_weight" in state:
        return "c_abstractor"
    if "proj.2.weight" in state:
        return "mlp2x"
    return "linear" if "proj.weight" in state else None


def load(path: Path, **more: Any) -> tuple[LlavaConfig, nn.Module]:
    """The config and the projector of a file. Raises `ModelError`; `more` as `understood` has it."""
    state = read(path)
    config = understood(state, path, **more)
    with torch.device("meta"):
        projector = projectors.build(config)
    compare(state, projector.state_dict(), f"{path} looks like '{config.projector}', but does not fit")
    projector.load_state_dict(state, strict=True, assign=True)
    return config, projector.eval()


def convert(path: Path, out: Path, **more: Any) -> tuple[LlavaConfig, int]:
    """The config of a file and how many weights its projector has; `out` becomes a model folder with it.

    Args:
        more: `tower`, `llm` (folders or hub ids) and `heads`, where the file is not for system E's.
    Raises:
        ModelError: see `load`.
        OutputError: `out` holds something else, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or {inside.name for inside in out.iterdir()} - {"config.json", PROJECTOR}):
        raise OutputError(f"{out} is there already and is no converted model: give another folder")
    if more.get("tower"):
        more["tower_config"] = plain(vision_config(base_folder(more["tower"], "tower")))
    if more.get("llm"):
        more["llm_config"] = plain(llm_config(base_folder(more["llm"], "llm")))
    config, projector = load(path, **more)
    write(config, {f"projector.{key}": value for key, value in projector.state_dict().items()}, out)
    return config, sum(weight.numel() for weight in projector.parameters())
