"""Files as v2c.py and i2c.py write them."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from vdesc import Description, Keyframe, Writer, write_atomic
from vdesc.document import target

if TYPE_CHECKING:
    from PIL.Image import Image


class V2cFiles(Writer):
    """The files of VideoCaptionerWithClip's v2c.py: SRT, a JSON list, and a folder of frames; a photo's is i2c.py's.

    Captions are drawn below the picture. One that no font here can write is left out of it.
    """

    name = "v2c"
    extension = "_caption.srt"

    class Options(Writer.Options):
        """What names say."""

        size: Literal["S", "L"] = Field("L", description="The model's; captioned pictures are called ...-RL.jpg by it.")

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>_caption.srt`, with `<video>_caption.json` and `<video>_captioning_frames/` beside it.

        Of a photo only its captioned picture, `<name up to the first dot>-R<size>.jpg`.
        """
        from PIL import Image

        ending = f"-R{self.options.size}.jpg"
        if description.video.still:
            path = folder / (description.video.path.name.split(".")[0] + ending)
            return write_atomic(path, _captioned(description, description.keyframes[0]))
        frames = target(description, folder, "_captioning_frames")
        for keyframe in description.keyframes:
            name = f"frame_{keyframe.index:04}"
            write_atomic(frames / f"{name}.jpg", _jpeg(Image.fromarray(keyframe.pixels())))
            write_atomic(frames / f"{name}{ending}", _captioned(description, keyframe))
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


def _captioned(description: Description, keyframe: Keyframe) -> bytes:
    """The picture with its caption in a band below, so that nothing of it is hidden."""
    from PIL import Image
    from vdesc_writers.band import captioned
    from vdesc_writers.frames import caption_of

    image = Image.fromarray(keyframe.pixels())
    return _jpeg(captioned(image, caption_of(description, keyframe)) or image)


def _jpeg(image: Image) -> bytes:
    data = BytesIO()
    image.save(data, "JPEG", quality=95)  # OpenCV's own default
    return data.getvalue()
