"""ClipCap's checkpoints, and those of NYU's CLIPVideoCap, which came of it: a mapper and GPT-2, without CLIP.

Sources: github.com/rmokady/CLIP_prefix_caption (Mokady et al. 2021, arXiv 2111.09734; MIT) and
github.com/juexZZ/NYUFall22-CVProject-CLIPVideoCap (MIT). A file is a state dict. It says neither which CLIP model made
the features, nor whether these were normalised, nor whether NYU's mapper is `concat` or `cross`.
"""

from __future__ import annotations

from typing import Any

from vdesc import ModelError

from .facts import Facts, unsaid
from .found import Found, Shapes

PARTS = ("clip_project.", "gpt.")
NAMES = (("mapper.", "clip_project."), ("decoder.", "gpt."))
HEADS, FRAMES = 8, 28
ENCODERS = {512: "openai/clip-vit-base-patch32", 640: "timm/resnet50x4_clip.openai"}  # by the width of features
SPEAKS: dict[str, Any] = dict(search="averaged", text="verbatim", max_tokens=67, beams=1, no_repeat=0)
OF_FRAMES = dict(max_tokens=10)  # NYU's scripts ask for ten tokens


def understood(shapes: Shapes, facts: Facts) -> Found:
    """What the checkpoint is. Raises `ModelError` where it does not say something that matters."""
    decoder = shapes.gpt2("gpt.")
    width, settings = _mapper(shapes, facts, decoder["n_embd"])
    frames = settings["mapper"] in ("concat", "cross", "framewise")
    if facts.normalize is None and settings["mapper"] == "transformer":
        raise unsaid(shapes.path, "whether its features are normalised", "normalize: true or false")
    if not (encoder := facts.encoder or ENCODERS.get(width)):
        what = f"which CLIP model makes the features, {width} wide, that it reads"
        raise unsaid(shapes.path, what, "encoder: FOLDER_OR_HUB_ID")
    settings |= dict(decoder=decoder, reads="projected", heads=HEADS, normalize=bool(facts.normalize)) | SPEAKS
    settings |= OF_FRAMES if frames else {}
    name = "NYU's CLIPVideoCap" if frames else "ClipCap"
    return Found(f"{name} {settings['mapper']}", settings, NAMES, width, ".", encoder)


def _mapper(shapes: Shapes, facts: Facts, hidden: int) -> tuple[int, dict[str, Any]]:
    """The width of its features, and the mapper's settings."""
    if "clip_project.prefix_const" in shapes.state:
        out, width = shapes.of("clip_project.linear.weight")
        mapper = _chosen(shapes, facts, ("transformer",) if out > hidden else ("concat", "cross"))
        prefix, layers = shapes.of("clip_project.prefix_const")[0], shapes.layers("clip_project.transformer.layers.")
        sizes = dict(prefix=prefix, constants=out // hidden, layers=layers)
    else:
        out, width = shapes.of("clip_project.model.2.weight")[0], shapes.of("clip_project.model.0.weight")[1]
        mapper = _chosen(shapes, facts, ("mlp",) if out > hidden else ("framewise",))
        sizes = dict(prefix=out // hidden)
    if mapper in ("transformer", "mlp"):
        return width, sizes | dict(mapper=mapper)
    frames = facts.frames or FRAMES
    return width, sizes | dict(mapper=mapper, frames=frames) | (dict(prefix=frames) if mapper == "framewise" else {})


def _chosen(shapes: Shapes, facts: Facts, possible: tuple[str, ...]) -> str:
    """The mapper that the person named, or the only one that it can be."""
    kinds = " or ".join(possible)
    if facts.mapper is None and len(possible) > 1:
        raise unsaid(shapes.path, f"whether its mapper is {kinds}", f"mapper: {possible[-1]}")
    if facts.mapper not in (None, *possible):
        raise ModelError(f"clipgpt: {shapes.path} holds no mapper '{facts.mapper}': its keys are those of {kinds}")
    return facts.mapper or possible[0]
