"""Files as v2c.py writes them."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

from vdesc import Description, Keyframe, Writer, write_atomic
from vdesc.document import target


class V2cFiles(Writer):
    """The files of VideoCaptionerWithClip's v2c.py: SRT, a JSON list, and a folder of frames."""

    name = "v2c"
    extension = "_caption.srt"

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>_caption.srt`, with `<video>_caption.json` and `<video>_captioning_frames/` beside it."""
        frames = target(description, folder, "_captioning_frames")
        for keyframe in description.keyframes:
            write_atomic(frames / f"frame_{keyframe.index:04}.jpg", _jpeg(keyframe))
        rows = [
            {"start": _clock(cue.span.start), "end": _clock(cue.span.end), "lang": cue.language, "text": cue.text}
            for cue in description.cues
        ]
        write_atomic(target(description, folder, "_caption.json"), json.dumps(rows, indent=4))
        return write_atomic(
            target(description, folder, self.extension), "".join(map(_block, range(1, len(rows) + 1), rows))
        )


def _block(number: int, row: dict[str, str]) -> str:
    """An SRT cue. A line break in the text, which would end it early, becomes a space; v2c.py wrote it as it was."""
    return f"{number}\n{row['start']} --> {row['end']}\n{' '.join(filter(None, row['text'].splitlines()))}\n\n"


def _clock(at: int) -> str:
    return f"{at // 3600000:02}:{at // 60000 % 60:02}:{at // 1000 % 60:02},{at % 1000:03}"


def _jpeg(keyframe: Keyframe) -> bytes:
    from PIL import Image

    data = BytesIO()
    Image.fromarray(keyframe.pixels()).save(data, "JPEG", quality=95)  # OpenCV's own default
    return data.getvalue()
