"""listen on damaged and cut files: what is whole comes at its time, what is not is counted."""

from pathlib import Path

import numpy as np
import pytest
from media_samples import cut_off, damage
from sound_samples import beeps, onsets, write_sound
from vdesc import MediaError, listen
from vdesc.media import probe

TIMES = list(range(100, 6000, 300))


@pytest.mark.parametrize(
    ("ending", "codec", "counted"),
    [
        ("mkv", "aac", True),
        ("mkv", "flac", True),
        ("mkv", "ac3", True),
        ("mp4", "aac", True),
        ("mp4", "alac", True),
        ("ts", "aac", False),  # the container finds its way again, and the decoder sees whole packets only
        ("mkv", "mp2", False),
        ("mkv", "pcm_s16le", False),
    ],
)
def test_what_lies_before_and_after_the_damage_keeps_its_time(
    tmp_path: Path, ending: str, codec: str, counted: bool
) -> None:
    path = damage(write_sound(tmp_path / f"a.{ending}", [beeps(TIMES, 6000)], codec=codec, picture=6), 0.4, 0.6)
    sound = listen(probe(path))
    assert ("passed over" in sound.trouble) >= counted
    samples = sound.samples(sound.span)
    early, late = onsets(samples[: 2100 * 16]), onsets(samples[4600 * 16 :])
    assert np.abs(np.subtract(early, TIMES[:7])).max() <= 2
    assert np.abs(np.subtract(late, [at - 4600 for at in TIMES[15:]])).max() <= 2


def test_a_file_that_was_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    path = write_sound(
        tmp_path / "a.mp4", [beeps(TIMES, 6000)], codec="aac", picture=6, options={"movflags": "faststart"}
    )
    sound = listen(probe(cut_off(path, 0.5)))
    found = onsets(sound.samples(sound.span))
    assert 3 < len(found) < 15 and np.abs(np.subtract(found, TIMES[: len(found)])).max() <= 2


def test_a_track_that_is_all_damage_is_a_sentence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mkv", [beeps(TIMES, 6000)], codec="flac", picture=6)
    data = path.read_bytes().replace(b"\xff\xf8", b"\x00\x00")  # no frame of FLAC begins as one must
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"nothing of audio track 0 \(flac\) of .*a.mkv can be decoded: name another"):
        listen(probe(path))
