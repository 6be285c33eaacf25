"""CLIP's image encoder with its projection, out of a folder, for checkpoints that come without it."""

from __future__ import annotations

import json
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import ModelError
from vdesc.hub import model_folder

from .. import weights
from .found import Shapes

if TYPE_CHECKING:
    from torch import Tensor

OPEN_CLIP = "open_clip_model.safetensors"  # as open_clip names it; the hub has CLIP's ResNets in this form only
FILES = ["config.json", "model.safetensors", "pytorch_model.bin"]
KINDS = ("clip", "clip_vision_model")
TOWER = ("vision_model.", "visual_projection.")
KEPT = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size",
    "hidden_act", "layer_norm_eps",
)  # fmt: skip


def encoder_folder(name: str) -> Path:
    """The folder of an encoder; of a hub's, only the files that are needed are fetched. Raises `ModelError`."""
    return model_folder(name, "clipgpt", [OPEN_CLIP] if name.startswith("timm/") else FILES)


def projected(folder: Path, width: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and weights of a `CLIPVisionModelWithProjection`, or of a `CLIPResNet`.

    Args:
        folder: of a CLIP model of transformers, or of its vision tower alone; or one with open_clip's file of a ResNet.
        width: of the features that are wanted.
    Raises:
        ModelError: it is none, its weights are not whole, or its features have another width.
    """
    settings, state = resnet(folder) or _transformer(folder)
    if settings["projection_dim"] != width:
        raise ModelError(
            f"clipgpt: the encoder in {folder} makes features {settings['projection_dim']} wide, but the checkpoint "
            f"reads {width}: give the CLIP model that it was trained with with --set encoder=FOLDER"
        )
    return settings, state


def _transformer(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    vision, held = _vision(folder), weights.of_folder(folder)
    state = {name: held[name] for name in held if name.startswith(TOWER) and not name.endswith(".position_ids")}
    (out, _) = Shapes(folder, state).of("visual_projection.weight")
    config = CLIPVisionConfig(**vision, projection_dim=out)
    with torch.device("meta"):
        plan = CLIPVisionModelWithProjection(config).state_dict()
    weights.compare(state, plan, (), f"the encoder in {folder} is not what its config.json says")
    return {key: getattr(config, key) for key in (*KEPT, "projection_dim")} | {"model_type": KINDS[1]}, state


def _vision(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        values = json.loads(path.read_bytes())
        kind, vision = values.get("model_type"), values.get("vision_config") or values
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"clipgpt: {path} cannot be read as the config of an encoder: {error}") from error
    if kind not in KINDS:
        raise ModelError(
            f"clipgpt: {path} describes a model of type '{kind}', not CLIP: give another with --set encoder=FOLDER"
        )
    return {key: vision[key] for key in KEPT if key in vision}


def resnet(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Settings and weights of a `CLIPResNet` in open_clip's file; None where the folder has no such file.

    Raises `ModelError` where the file holds another model.
    """
    if not (folder / OPEN_CLIP).is_file():
        return None
    import torch

    from ..resnet import CLIPResNet, CLIPResNetConfig

    held = weights.of_file(folder / OPEN_CLIP)
    state = {name.removeprefix("visual."): value for name, value in held.items() if name.startswith("visual.")}
    shapes = Shapes(folder / OPEN_CLIP, state)
    settings: dict[str, Any] = dict(
        width=shapes.of("layer1.0.conv1.weight")[0], layers=[shapes.layers(f"layer{i}.") for i in (1, 2, 3, 4)],
        image_size=32 * isqrt(shapes.of("attnpool.positional_embedding")[0] - 1),
        projection_dim=shapes.of("attnpool.c_proj.weight")[0],
    )  # fmt: skip
    with torch.device("meta"):
        plan = CLIPResNet(CLIPResNetConfig(**settings)).state_dict()
    counters = [name for name in plan if name.endswith(".num_batches_tracked")]
    weights.compare(state, plan, counters, f"the encoder in {folder / OPEN_CLIP} is no ResNet of CLIP's")
    unused = {name: torch.tensor(0) for name in counters}
    return settings | {"model_type": CLIPResNetConfig.model_type}, unused | state
