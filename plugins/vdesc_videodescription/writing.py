"""Writes a `Work` as VideoDescription's files, each where the program's next step looks for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from vdesc import write_atomic

from .reading import FINALS, FRAMES, KEYFRAMES, SCENES, SCRIPT
from .times import stamp
from .work import Scene, Work

SPOKEN = "captions_dialogue.json"
"""The chosen captions with what is said in their time: the steps that speak read it."""
FIELDS = {
    "deepface_ocr.json": ("deepface", "ocr"),
    "yolo_results.json": ("deepface", "ocr", "yolo"),
    "final_input.json": ("deepface", "ocr", "yolo", "dialogue"),
    "caption_candidates.json": ("captions", "ocr", "dialogue", "yolo", "deepface"),
}


def write(work: Work, out: Path) -> list[str]:
    """Writes all files to `out`, and gives what the person should know. Raises `OutputError`."""
    frames = out / FRAMES / work.stem
    listed = [{"frame_file": scene.image, "timestamp": stamp(scene.span)} for scene in work.scenes]
    _json(frames / KEYFRAMES, listed, 4)
    entries = [_entry(scene) for scene in work.scenes]
    for name in SCENES:
        keys = ("image", "timestamp", *FIELDS[name])
        _json(out / name, [{key: entry[key] for key in keys} for entry in entries])
    _json(out / SCRIPT, [{"timestamp": stamp(line.span), "dialogue": line.text} for line in work.script])
    finals = [{"image": f.image, "timestamp": stamp(f.span), "caption": f.caption} for f in work.finals]
    _json(out / FINALS, finals)
    _json(out / SPOKEN, [_spoken(work, i) for i in range(len(work.finals))])
    missing = [scene.image for scene in work.scenes if not _picture(scene, frames)]
    lost = (
        f"; {len(missing)} pictures cannot be read where the document says they are, and are left out"
        if missing
        else ""
    )
    return [f"wrote {len(work.scenes)} scenes and {len(work.finals)} captions to {out}{lost}"]


def _entry(scene: Scene) -> dict[str, Any]:
    """All that is told of a scene. A thing has both names: one step of the program reads `class`, others `label`."""
    return {
        "image": scene.image, "timestamp": stamp(scene.span), "deepface": scene.deepface, "ocr": scene.ocr,
        "yolo": [{"class": name, "label": name} for name in scene.yolo], "dialogue": scene.dialogue,
        "captions": scene.captions,
    }  # fmt: skip


def _spoken(work: Work, i: int) -> dict[str, str]:
    """A chosen caption with the first line that begins in its time, or with none."""
    final = work.finals[i]
    lines = (line.text for line in work.script if final.span.contains(line.span.start))
    return {"timestamp": stamp(final.span), "caption": final.caption, "dialogue": next(lines, "")}


def _picture(scene: Scene, frames: Path) -> bool:
    """Whether the picture can be read, and now lies among the frames."""
    try:
        data = scene.picture.read_bytes()
        if scene.picture.suffix.lower() != Path(scene.image).suffix.lower():
            data = _png(data)
    except OSError:  # PIL's errors are of that kind too
        return False
    write_atomic(frames / scene.image, data)
    return True


def _png(data: bytes) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.open(BytesIO(data)).convert("RGB").save(file, "PNG")
    return file.getvalue()


def _json(path: Path, rows: Iterable[Any], indent: int = 2) -> None:
    write_atomic(path, json.dumps(list(rows), ensure_ascii=False, indent=indent).encode("utf-8", "replace"))
