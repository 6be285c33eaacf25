"""The v2c and nyu plugins, held against their predecessors' formulas, written out once more below."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from vdesc import Candidate, Context, Cue, Description, MediaError, OutputError, settings
from vdesc.media import decode, probe
from vdesc.planning import plan
from vdesc.timing import PROFILES, fit
from vdesc_clipgpt.plugin import views
from vdesc_v2c.files import V2cFiles
from vdesc_v2c.frames import V2cFrames, milliseconds, number, span
from vdesc_v2c.nyu import NyuFrames

FPS, FRAMES = Fraction(30000, 1001), 47


def printed(seconds: float) -> str:
    """A time as the predecessor prints it."""
    hours, minutes, rest = int(seconds // 3600), int((seconds % 3600) // 60), seconds % 60
    return f"{hours:02}:{minutes:02}:{int(rest):02},{int((rest - int(rest)) * 1000):03}"


def clock(at: int) -> str:
    return f"{at // 3600000:02}:{at // 60000 % 60:02}:{at // 1000 % 60:02},{at % 1000:03}"


def expected_files(captions: list[str], frames: int, fps: float) -> tuple[str, str]:
    """SRT and JSON of the predecessor for N captions."""
    duration, count = frames / fps, len(captions)
    rows = [
        (printed(i * (duration / count)), printed((i + 0.5) * (duration / count)), text)
        for i, text in enumerate(captions)
    ]
    srt = "".join(f"{i}\n{start} --> {end}\n{text}\n\n" for i, (start, end, text) in enumerate(rows, 1))
    keyed = [{"start": start, "end": end, "lang": "en", "text": text} for start, end, text in rows]
    return srt, json.dumps(keyed, indent=4)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """47 frames at 29.97 a second, each of its own grey."""
    path = tmp_path_factory.mktemp("v2c") / "two words.v1.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=FPS, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * i, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def described(film: Path, count: int, captions: list[str]) -> Description:
    """The description that the engine makes with the preset and given captions."""
    video = probe(film)
    keyframes = tuple(V2cFrames(V2cFrames.Options(count=count)).select(video))
    slots = plan(video, keyframes, Context(), tiles=V2cFrames.tiles)
    return finished(video, keyframes, slots, captions)


def finished(video, keyframes, slots, captions) -> Description:
    candidates = [Candidate(slot.index, text, "test") for slot, text in zip(slots, captions, strict=True)]
    cues = [Cue(i + 1, slots[i].span, c.text, c, (i,)) for i, c in enumerate(candidates)]
    shown, findings = fit(cues, video.span.end, PROFILES["none"])
    return Description(
        video=video, shots=tuple(k.shot for k in keyframes), keyframes=keyframes, evidence=(), slots=slots,
        candidates=tuple(candidates), cues=shown, findings=findings,
    )  # fmt: skip


@given(st.integers(1, 10**6), st.floats(1, 240), st.integers(1, 200), st.data())
def test_frames_and_times_follow_the_formulas(frames: int, fps: float, count: int, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, count - 1))
    duration = frames / fps
    assert number(i, count, frames, fps) == int(fps * (i * (duration / count))) < frames
    half = span(i, count, frames, fps)
    assert clock(half.start) == printed(i * (duration / count))
    assert clock(half.end) == printed((i + 0.5) * (duration / count))


def test_milliseconds_are_cut_as_the_predecessor_cuts_them() -> None:
    assert milliseconds(2.3) == 2299
    assert milliseconds(3661.5) == 3661500


@pytest.mark.parametrize("count", [1, 3, 10, 46, 100])
def test_the_same_frames_are_taken(film: Path, count: int) -> None:
    keyframes = list(V2cFrames(V2cFrames.Options(count=count)).select(probe(film)))
    duration = FRAMES / float(FPS)
    wanted = [int(float(FPS) * (i * (duration / count))) for i in range(count)]
    assert [k.frame for k in keyframes] == wanted
    assert [k.index for k in keyframes] == list(range(count))
    capture = cv2.VideoCapture(str(film))
    for keyframe, frame in zip(keyframes, wanted, strict=True):
        capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
        theirs = capture.read()[1][:, :, ::-1].astype(int)
        assert np.array_equal(keyframe.pixels(), theirs)
    ours = {frame.number: frame for frame in decode(probe(film))}
    assert [k.at for k in keyframes] == [ours[frame].at for frame in wanted], "the container's own times"
    assert all(np.abs(k.pixels() - ours[k.frame].pixels().astype(int)).mean() < 2 for k in keyframes)


def test_the_same_files_come_out(film: Path, tmp_path: Path) -> None:
    captions = ["A dog runs", "Un café — 강아지", 'Say "<i>hi</i>" & go', "  spaced  ", "\U0001f600"]
    description = described(film, 5, captions)
    path = V2cFiles().write(description, tmp_path)
    srt, rows = expected_files(captions, FRAMES, float(FPS))
    assert path == tmp_path / "two words.v1_caption.srt"
    assert path.read_bytes() == srt.encode()
    assert (tmp_path / "two words.v1_caption.json").read_bytes() == rows.encode()
    frames = tmp_path / "two words.v1_captioning_frames"
    names = {child.name for child in frames.iterdir()}
    assert names == {f"frame_{i:04}{end}.jpg" for i in range(5) for end in ("", "-RL")}
    with Image.open(frames / "frame_0004.jpg") as image:
        assert image.size == (64, 48) and abs(int(np.asarray(image).mean()) - 5 * int(FRAMES * 4 / 5)) < 6


def test_text_is_ascii_in_json_and_one_line_in_srt(film: Path, tmp_path: Path) -> None:
    V2cFiles().write(described(film, 1, ["강\n\nb"]), tmp_path)
    assert '"text": "\\uac15\\n\\nb"' in (tmp_path / "two words.v1_caption.json").read_text()
    assert (tmp_path / "two words.v1_caption.srt").read_text().endswith("\n강 b\n\n")


def test_captions_are_drawn_below_copies_of_the_frames(film: Path, tmp_path: Path) -> None:
    writer = V2cFiles(V2cFiles.Options(size="S"))
    writer.write(described(film, 3, ["A dog", "A much longer sentence of a dog", "\U0010fffd"]), tmp_path)
    frames, heights = tmp_path / "two words.v1_captioning_frames", []
    for i in range(3):
        plain, drawn = (np.asarray(Image.open(frames / f"frame_{i:04}{end}.jpg")).astype(int) for end in ("", "-RS"))
        assert np.abs(drawn[:40, :64] - plain[:40]).max() < 8, "nothing of the picture is hidden"
        heights.append(len(drawn))
    assert 48 == heights[2] < heights[0] < heights[1], "no font has the last caption: the picture is there without it"


def test_frames_that_cannot_be_read_are_told_and_the_rest_move_up(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The predecessor keeps the file name of a frame but takes its time from its place among those it could read."""

    class Gappy:
        """Cannot read frame 9. (It holds OpenCV's capture: a class derived from that one breaks Python's collector.)"""

        def __init__(self, path: str, whole=cv2.VideoCapture):
            self.whole = whole(path)

        def __getattr__(self, name: str):
            return getattr(self.whole, name)

        def read(self) -> tuple:
            return (False, None) if self.whole.get(cv2.CAP_PROP_POS_FRAMES) == 9 else self.whole.read()

    monkeypatch.setattr(cv2, "VideoCapture", Gappy)
    framer = V2cFrames(V2cFrames.Options(count=5))
    keyframes = list(framer.select(probe(film)))
    assert [k.index for k in keyframes] == [0, 2, 3, 4]
    assert [k.shot.index for k in keyframes] == [0, 1, 2, 3]
    assert keyframes[1].shot.span == span(1, 5, FRAMES, float(FPS))
    assert "1 of 5 frames could not be read" in framer.findings[0].message


def test_a_video_without_a_frame_rate_is_refused(tmp_path: Path, film: Path) -> None:
    video = replace(probe(film), path=tmp_path / "gone.mp4")
    with pytest.raises(MediaError, match="does not say how many frames"):
        list(V2cFrames().select(video))


@pytest.mark.parametrize("count", [1, 2, 5, 10, 23, 24, 28, 46, 47])
def test_nyu_takes_every_so_manieth_frame(film: Path, count: int) -> None:
    video = probe(film)
    keyframes = list(NyuFrames(NyuFrames.Options(count=count)).select(video))
    interval = FRAMES // count
    assert [k.frame for k in keyframes] == list(range(0, count * interval, interval))
    shown = {frame.number: frame for frame in decode(video)}
    assert [k.at for k in keyframes] == [shown[k.frame].at for k in keyframes]
    assert all(np.abs(k.pixels() - shown[k.frame].pixels().astype(int)).mean() < 2 for k in keyframes)
    spans = [k.shot.span for k in keyframes]
    assert [s.end for s in spans] == [*(s.start for s in spans[1:]), video.span.end], "each speaks until the next"


def test_nyu_counts_the_frames_that_are_there_not_those_the_file_promises(film: Path, monkeypatch) -> None:
    class Boastful:
        """Says that it has ten times the frames. (As above, it holds OpenCV's capture.)"""

        def __init__(self, path: str, whole=cv2.VideoCapture):
            self.whole = whole(path)

        def __getattr__(self, name: str):
            return getattr(self.whole, name)

        def get(self, what: int) -> float:
            return self.whole.get(what) * (10 if what == cv2.CAP_PROP_FRAME_COUNT else 1)

    monkeypatch.setattr(cv2, "VideoCapture", Boastful)
    assert [k.frame for k in NyuFrames(NyuFrames.Options(count=4)).select(probe(film))] == [0, 11, 22, 33]


def test_a_model_of_28_pictures_sees_nyus_28_in_one_slot(film: Path) -> None:
    video = probe(film)
    keyframes = tuple(NyuFrames().select(video))
    (slot,) = plan(video, keyframes, Context(), shortest=3600000, tiles=NyuFrames.tiles)
    assert slot.span == video.span
    assert [id(picture) for picture in views(slot, 28)] == [id(k.image) for k in keyframes]


def test_nyu_refuses_a_video_of_too_few_frames(film: Path) -> None:
    with pytest.raises(MediaError, match=r"v1\.mp4 has 47 frames, too few for nyu:48: use --keyframes uniform:48"):
        list(NyuFrames(NyuFrames.Options(count=48)).select(probe(film)))


def test_a_folder_that_cannot_be_made_is_one_sentence(film: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose another folder with -o"):
        V2cFiles().write(described(film, 1, ["a"]), tmp_path / "file" / "out")


def test_the_preset_is_valid_and_turns_off_what_would_differ() -> None:
    chosen = settings.layered("v2c")
    assert (chosen.keyframes, chosen.formats, chosen.candidates) == ("v2c:10", ("v2c",), 1)
    assert chosen.timing.profile == "none" and chosen.ranking.merge is None
    assert yaml.safe_load((settings.configs() / "v2c.yaml").read_text())["plugins"] == ["clipgpt"]
