"""The vision tower: pixels in, one feature per patch out; any vision encoder of transformers. Knows no LLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig
from vdesc import ModelError
from vdesc.hub import model_folder
from vdesc.pretrained import quietly

from .config import base_config

PATTERNS = ["*.json", "*.safetensors"]


def features(tower: nn.Module, pixels: Tensor, layer: int = -1, cls: bool = False) -> Tensor:
    """Features (n, patches, width) of pixels (n, 3, height, width); with `cls` (n, 1 + patches, width), CLS first.

    Args:
        layer: index into the hidden states: 0 is what enters the first layer, -1 what leaves the last, before any norm
            that follows it.
    Raises:
        ModelError: the tower has no such layer, or no CLS.
    """
    config: Any = tower.config
    depth, first = config.num_hidden_layers, specials(config)
    if not -depth - 1 <= layer <= depth:
        raise ModelError(f"llava: the tower has {depth} layers, and no layer {layer}: set layer otherwise")
    if cls and not first:
        raise ModelError(f"llava: a tower of type '{config.model_type}' has no CLS token: set cls to false")
    states = tower(**_inputs(config, pixels), output_hidden_states=True).hidden_states
    read = states[layer]
    return torch.cat([read[:, :1], read[:, first:]], dim=1) if cls else read[:, first:]


def specials(config: Any) -> int:
    """How many tokens of a tower stand before its patches: CLS and registers."""
    if config.model_type.startswith("siglip"):
        return 0
    return 1 + (getattr(config, "num_register_tokens", None) or 0)


def _inputs(config: Any, pixels: Tensor) -> dict[str, Tensor]:
    """The arguments of a tower; SigLIP 2 with free aspect wants patches, row by row, and their grid."""
    if config.model_type != "siglip2_vision_model":
        return {"pixel_values": pixels}
    side = config.patch_size
    rows, columns = pixels.shape[-2] // side, pixels.shape[-1] // side
    cut = pixels[..., : rows * side, : columns * side].unflatten(-1, (columns, side)).unflatten(-3, (rows, side))
    return {
        "pixel_values": cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2),
        "pixel_attention_mask": pixels.new_ones(len(pixels), rows * columns, dtype=torch.long),
        "spatial_shapes": torch.tensor([[rows, columns]] * len(pixels), device=pixels.device),
    }


def load_tower(name: str | PretrainedConfig | dict[str, Any], device: str, dtype: torch.dtype | None = None) -> Any:
    """A tower in eval mode, frozen.

    Args:
        name: a folder or hub id; or a config, for random weights.
        dtype: of its weights; unset: float32.
    Raises:
        ModelError: there is no such tower, or it is no vision encoder.
    """
    dtype = dtype or torch.float32
    with quietly():
        if isinstance(name, str):
            folder = model_folder(name, "llava", PATTERNS)
            made = _pretrained(folder, vision_config(folder), dtype)
        else:
            config = base_config(name) if isinstance(name, dict) else name
            made = AutoModel.from_config(config).to(dtype)
    return made.to(device).eval().requires_grad_(False)


def _pretrained(folder: Path, config: PretrainedConfig, dtype: torch.dtype) -> Any:
    try:
        made, found = AutoModel.from_pretrained(
            folder, config=config, dtype=dtype, output_loading_info=True, local_files_only=True, use_safetensors=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"llava: the vision tower in {folder} cannot be read ({reason}): give another") from error
    if found["missing_keys"]:
        raise ModelError(
            f"llava: {folder} lacks {len(found['missing_keys'])} weights of its vision tower "
            f"({sorted(found['missing_keys'])[0]}, ...): fetch it again"
        )
    return made


def vision_config(folder: Path) -> PretrainedConfig:
    """The config of the vision part of a model's folder. Raises `ModelError` where it has none."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"llava: {folder} holds no model that transformers knows ({reason})") from error
    config = getattr(config, "vision_config", config)
    if not hasattr(config, "patch_size") or not hasattr(config, "hidden_size"):
        raise ModelError(
            f"llava: '{config.model_type}' in {folder} is no vision tower of patches: name a CLIP, SigLIP or DINOv2"
        )
    return config
