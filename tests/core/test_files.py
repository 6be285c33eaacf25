"""A file is written whole or not at all."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from vdesc import InputError, OutputError, write_atomic
from vdesc.files import digest, replacing


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    path = write_atomic(tmp_path / "new folder" / "ü.txt", "a\r\né\n")
    assert path.read_bytes() == "a\r\né\n".encode()
    assert write_atomic(path, b"\x00\xff").read_bytes() == b"\x00\xff"
    assert [child.name for child in path.parent.iterdir()] == ["ü.txt"]


@pytest.mark.parametrize(("failing", "raised"), [(_full, OutputError), (_crash, KeyboardInterrupt)])
@pytest.mark.parametrize("place", ["Path.write_bytes", "os.fsync", "Path.replace"])
@pytest.mark.parametrize("old", [b"old", None])
def test_a_full_disk_or_a_crash_leaves_the_old_file_or_none(tmp_path, monkeypatch, failing, raised, place, old):
    path = tmp_path / "a.srt"
    if old:
        path.write_bytes(old)
    owner, name = {"Path": Path, "os": os}[place.split(".")[0]], place.split(".")[1]
    with monkeypatch.context() as broken, pytest.raises(raised):
        broken.setattr(owner, name, failing)
        write_atomic(path, "new")
    assert {child.name: child.read_bytes() for child in tmp_path.iterdir()} == ({"a.srt": old} if old else {})


def test_half_a_file_is_never_seen_under_its_name(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("half")
        assert path.read_text() == "old"
    assert path.read_text() == "half"


def test_the_sentence_names_the_file_the_reason_and_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*a\.srt: .*; choose another folder with -o"):
        write_atomic(tmp_path / "file" / "a.srt", "x")


def test_new_files_have_the_rights_that_the_person_wants(tmp_path):
    old = os.umask(0o027)
    try:
        assert write_atomic(tmp_path / "a", "x").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)


def test_a_digest_is_that_of_the_bytes(tmp_path):
    data = b"x" * ((1 << 20) + 1)
    (tmp_path / "a").write_bytes(data)
    assert digest(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_what_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nowhere: No such file"):
        digest(tmp_path / "nowhere")
