"""clip-gpt-captioning's checkpoints: all of CLIP's vision model, the mapper, and GPT-2 in one file.

Source: github.com/jmisilo/clip-gpt-captioning (MIT). `model.pt` is a state dict; `epoch_*.pt` holds one beside the
state of a training run. All that a model is shows in its shapes.
"""

from __future__ import annotations

from typing import Any

from .facts import Facts
from .found import Found, Shapes

PARTS = ("ie.model.", "mp.", "td.model.")
NAMES = (  # transformers 5 has no `vision_model.` in a vision model alone, transformers 4 had
    ("encoder.vision_model.", "ie.model."),
    ("encoder.", "ie.model."),
    ("mapper.", "mp."),
    ("decoder.", "td.model."),
)
HEADS = 16  # of the mapper, in both sizes
SPEAKS: dict[str, Any] = dict(
    begin=True, positions="doubled", drop_last=True, text="verbatim", max_tokens=40, beams=1, no_repeat=0
)


def understood(shapes: Shapes, _: Facts) -> Found:
    """What the checkpoint is."""
    from ..config import CLIP_IMAGE

    encoder, decoder = shapes.vision("ie.model."), shapes.gpt2("td.model.")
    settings = dict(
        encoder=encoder, decoder=decoder, reads="pooled", mapper="encoder", heads=HEADS,
        prefix=shapes.of("mp.mapper.weight")[0] // decoder["n_embd"],
        layers=shapes.layers("mp.transformer_encoder.layers."),
        image=CLIP_IMAGE | {"size": encoder["image_size"]},
    )  # fmt: skip
    return Found(f"clip-gpt-captioning {_size(settings)}", settings | SPEAKS, NAMES, encoder["hidden_size"])


def _size(settings: dict[str, Any]) -> str:
    """S or L, or the width where it is neither."""
    from ..config import SHAPES

    for name, shape in SHAPES.items():
        if settings["layers"] == shape["layers"] and shape["encoder"].items() <= settings["encoder"].items():
            return name
    return f"({settings['encoder']['hidden_size']} wide)"
