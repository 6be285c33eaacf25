"""What vdesc says of files that are not what they should be, and what it still reads of damaged ones."""

import os
import shutil
from pathlib import Path

import av
import pytest
from media_samples import cut_off, damage, number_of, numbered, scene, texture, write_audio, write_video
from PIL import Image
from vdesc import InputError, MediaError
from vdesc.media import decode, frames_at, probe


def refused(path: Path) -> str:
    """The one sentence with which the file is refused; it names the file."""
    with pytest.raises(InputError) as caught:
        probe(path)
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence and len(sentence) < len(str(path)) + 120
    return sentence.replace(str(path), "FILE")


def test_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.mp4") == "cannot find FILE; check the path"


def test_folder(tmp_path: Path) -> None:
    assert refused(tmp_path) == "FILE is a folder; name a video or photo in it"


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    assert "is empty" in refused(tmp_path / "a.mp4")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever runs this may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(2))
    path.chmod(0)
    assert "cannot read" in refused(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.txt", "a.nfo", "a.m3u8"])
def test_text_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Dear diary,\ntoday I renamed a text file.\n" * 40)
    assert "no video" in refused(tmp_path / name)


def test_a_playlist_does_not_reach_out(tmp_path: Path) -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.m3u8").write_text(text)
    refused(tmp_path / "a.m3u8")


def test_an_mp4_without_its_index(tmp_path: Path) -> None:
    path = cut_off(write_video(tmp_path / "a.mp4", scene(1, 60)), 0.7)
    assert refused(path).startswith("FILE lacks its index (moov)")


def test_only_sound(tmp_path: Path) -> None:
    assert refused(write_audio(tmp_path / "a.m4a")) == "FILE holds only sound; name a file that has a picture"


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    Image.fromarray(texture(1)).save(tmp_path / "cover.png")
    write_audio(tmp_path / "s.m4a")
    with (
        av.open(str(tmp_path / "cover.png")) as cover,
        av.open(str(tmp_path / "s.m4a")) as sound,
        av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as out,
    ):
        voice = out.add_stream_from_template(sound.streams.audio[0])
        front = out.add_stream_from_template(cover.streams.video[0])
        front.disposition = av.stream.Disposition.attached_pic
        for source, stream in ((cover, front), (sound, voice)):
            for packet in source.demux():
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    assert "only sound" in refused(tmp_path / "a.m4a")


def test_no_frame_at_all(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = 160, 96
        file.start_encoding()
    assert refused(tmp_path / "a.avi").startswith("no frame of FILE can be decoded")


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi"])
def test_damage_in_the_middle_is_passed_over(tmp_path: Path, ending: str) -> None:
    path = write_video(tmp_path / f"a.{ending}", scene(1, 150, (320, 180), 3), fps=25)
    damage(path, 0.4, 0.5)
    video = probe(path)
    frames = decode(video)
    ats = [frame.at for frame in frames]
    assert ats == sorted(ats) and len(ats) > 75
    assert ats[0] == 0 and ats[-1] >= (5000 if ending == "avi" else 5800)  # AVI only counts frames
    assert frames.seen == len(ats)
    assert frames.damaged and "damaged" in frames.trouble
    assert len(list(frames_at(video, range(0, 6000, 500)))) == 12


@pytest.mark.parametrize("ending", ["mkv", "ts", "avi", "mp4"])
def test_a_file_that_ends_early_gives_what_there_is(tmp_path: Path, ending: str) -> None:
    options = {"movflags": "faststart"} if ending == "mp4" else {}
    path = write_video(tmp_path / f"a.{ending}", numbered(110), fps=25, container_options=options)
    video = probe(cut_off(path, 0.5))
    frames = decode(video)
    shown = [(frame.at, number_of(frame.pixels())) for frame in frames]
    assert 20 < len(shown) < 100
    assert all(at == 40 * place for at, place in shown)
    assert abs(video.span.end - shown[-1][0]) <= 200
    if ending in ("mp4", "avi"):  # those whose head tells the length
        assert "earlier than it promises" in frames.trouble


def test_a_whole_file_has_no_trouble(tmp_path: Path) -> None:
    frames = decode(probe(write_video(tmp_path / "a.mp4", numbered(60), sound="eng")))
    assert len(list(frames)) == 60 and frames.trouble == ""


def test_a_file_that_is_gone_after_the_probe(tmp_path: Path) -> None:
    video = probe(write_video(tmp_path / "a.mp4", numbered(3)))
    video.path.unlink()
    with pytest.raises(InputError, match="cannot read"):
        list(decode(video))


def test_a_size_that_changes_on_the_way(tmp_path: Path) -> None:
    first = write_video(tmp_path / "1.ts", scene(1, 20, (160, 96)), fps=25)
    second = write_video(tmp_path / "2.ts", scene(2, 20, (320, 192)), fps=25, start=800)
    with (tmp_path / "a.ts").open("wb") as out:
        for part in (first, second):
            shutil.copyfileobj(part.open("rb"), out)
    frames = list(decode(probe(tmp_path / "a.ts")))
    assert {frame.pixels().shape for frame in frames} == {(96, 160, 3)}
    assert len({frame.small((80, 48)).shape for frame in frames}) == 1
    assert {frame.raw.width for frame in frames} == {160, 320}


def test_a_folder_named_as_a_video_is_no_media_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(InputError) as caught:
        probe(tmp_path / "a.mp4")
    assert not isinstance(caught.value, MediaError)


def test_times_wanted_where_nothing_can_be_decoded_show_what_came_before(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", scene(1, 150, (320, 180), 3), fps=25, gop=10)
    damage(path, 0.55, 0.85)
    video = probe(path)
    shown = list(frames_at(video, [4000, 5900]))
    assert len(shown) == 2 and shown[0].at <= 4000 and shown[1].at > 5000
