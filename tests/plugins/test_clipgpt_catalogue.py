"""Public checkpoints by name, against a server on this machine that plays the model hub and Google Drive."""

import errno
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import torch
from clipgpt_models import slots
from foreign_files import ClipCap, ClipGpt, ResNet, clip, pictures, write, write_tokenizer
from vdesc import ModelError, OutputError
from vdesc_clipgpt import ClipGPT, catalogue, download
from vdesc_clipgpt.catalogue import PUBLIC, public_folder
from vdesc_clipgpt.checkpoint import load_model

COMMIT = "c" * 40
COCO = PUBLIC["clipcap-coco"].sources[0].rpartition("/")
DRIVE_ID = PUBLIC["clipcap-coco"].sources[1].removeprefix("drive:")


class Places(ThreadingHTTPServer):
    """The hub and the drive.

    Attributes:
        repos: file contents by repository and name; `drive`: by id.
        cut: how many bytes each of the next answers with a checkpoint gives before the line breaks.
        asked: what was asked for, as (method, path, range).
        pages: what the drive gives instead of a file to who has confirmed nothing, by id.
        failing: codes of the next answers.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.drive: dict[str, bytes] = {}
        self.cut: list[int] = []
        self.asked: list[tuple[str, str, str | None]] = []
        self.pages: dict[str, str] = {}
        self.failing: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A line that breaks is no news."""

    def of(self, name: str) -> list[tuple[str, str, str | None]]:
        return [row for row in self.asked if name in row[1] and row[0] == "GET"]


class Answer(BaseHTTPRequestHandler):
    server: Places
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers["Range"]))
        place = urlsplit(self.path)
        if place.path.startswith("/api/models/"):
            self._hub(place.path.removeprefix("/api/models/"))
        elif place.path == "/drive":
            fields = parse_qs(place.query)
            number = fields["id"][0]
            page = None if "uuid" in fields else self.server.pages.get(number)
            if page is not None:
                self._send(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
            else:
                self._file(self.server.drive.get(number))
        else:
            owner, name, _, _, file = place.path.strip("/").split("/", 4)
            self._file(self.server.repos.get(f"{owner}/{name}", {}).get(file))

    def _hub(self, rest: str) -> None:
        owner, name, what, *_ = rest.split("/")
        files = self.server.repos.get(f"{owner}/{name}")
        if files is None:
            return self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        rows = [dict(type="file", path=path, size=len(data), oid=str(len(data))) for path, data in files.items()]
        siblings = [dict(rfilename=path) for path in files]
        answer = rows if what == "tree" else dict(id=f"{owner}/{name}", sha=COMMIT, siblings=siblings)
        return self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, data: bytes | None) -> None:
        large = self.command == "GET" and (self.path.endswith(".pt") or self.path.startswith("/drive"))
        if large and self.server.failing:
            return self._send(self.server.failing.pop(0), b"", {})
        if data is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        begin = int(match[1]) if (match := re.match(r"bytes=(\d+)-", self.headers["Range"] or "")) else 0
        if begin and begin >= len(data):
            return self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers = {"ETag": f'"{len(data)}"', "X-Repo-Commit": COMMIT, "Content-Type": "application/octet-stream"}
        part = {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        cut = self.server.cut.pop(0) if large and self.server.cut else None
        return self._send(206 if begin else 200, data[begin:], headers | part, cut)

    def _send(self, code: int, data: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Tiny stand-ins of all that is fetched: `file` of ClipCap, `other` of clip-gpt-captioning, CLIP, a tokenizer."""
    folder = tmp_path_factory.mktemp("files")
    clip().save_pretrained(folder / "clip")
    write_tokenizer(folder / "gpt2")
    (folder / "gpt2" / "model.safetensors").write_bytes(b"x" * 200_000)  # nobody needs it

    def read(name: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / name).iterdir()}

    coco, gpt = write(ClipCap("mlp"), folder / "c"), write(ClipGpt(), folder / "a")
    return {
        "clip": read("clip"), "gpt2": read("gpt2"), "file": coco.read_bytes(), "other": gpt.read_bytes(), "path": coco
    }  # fmt: skip


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_cache: Path, files: dict[str, Any]) -> Iterator[Places]:
    """The server with everything on it; the hub's client, the drive and the catalogue are turned to it."""
    from huggingface_hub import constants

    server = Places()
    server.repos = {
        COCO[0]: {COCO[2]: files["file"]}, catalogue.VIT: files["clip"], "openai-community/gpt2": files["gpt2"]
    }  # fmt: skip
    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(catalogue, "DRIVE", f"{server.url}/drive")
    monkeypatch.setattr(download, "PAUSE", 0)
    sized(monkeypatch, "clipcap-coco", files["file"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def sized(monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, **more: Any) -> None:
    monkeypatch.setitem(PUBLIC, name, replace(PUBLIC[name], size=len(data), **more))


def refused(name: str = "clipcap-coco", kind: type[Exception] = ModelError) -> str:
    with pytest.raises(kind) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def left(own_cache: Path) -> set[str]:
    """What lies in the cache's part for models."""
    return {path.name for path in (own_cache / "models").iterdir() if path.suffix != ".lock"}


def test_a_name_is_enough_and_the_second_time_needs_no_network(
    places: Places, own_cache: Path, files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> list[str]:
        captioner = ClipGPT(ClipGPT.Options(model="clipcap-coco"))
        captioner.load("cpu")
        return [candidate.text for candidate in captioner.propose(slots(4))]

    first = said()
    assert len(set(first)) > 1
    assert [row[2] for row in places.of("coco_weights.pt")] == [None]
    assert left(own_cache) == {"clipcap-coco"}
    assert not places.of("gpt2/resolve") or not any("model.safetensors" in path for _, path, _ in places.of("gpt2"))
    before = len(places.asked)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("no connection may be tried"))
    assert said() == first and len(places.asked) == before
    monkeypatch.undo()


def test_what_is_fetched_says_what_the_file_says(places: Places, files: dict[str, Any], own_cache: Path) -> None:
    model, _ = load_model("clipcap-coco")
    with torch.inference_mode():
        prefix = model.map(model.encode(pictures(1)))[0]
    torch.testing.assert_close(prefix, ClipCap("mlp").start(pictures(1)), rtol=0, atol=1e-5)
    assert not model.config.normalize


def test_the_transformers_encoder_is_clips_convolutional_one(
    places: Places, files: dict[str, Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resnet = ResNet().save(tmp_path / "resnet")
    weights = {path.name: path.read_bytes() for path in resnet.iterdir()}
    places.repos[catalogue.RESNET] = weights | {"model.safetensors": b"other names for the same"}
    data = write(ClipCap("transformer"), tmp_path / "t").read_bytes()
    places.drive[PUBLIC["clipcap-coco-transformer"].sources[0].removeprefix("drive:")] = data
    sized(monkeypatch, "clipcap-coco-transformer", data)
    model, _ = load_model("clipcap-coco-transformer")
    assert model.config.normalize and model.config.encoder["model_type"] == "clip_resnet"
    assert not [row for row in places.of("timm") if row[1].endswith("/model.safetensors")]


def test_a_line_that_breaks_is_taken_up_again(places: Places, files: dict[str, Any], own_cache: Path) -> None:
    places.cut = [300_000, 5_000]
    load_model("clipcap-coco")
    ranges = [row[2] for row in places.of("coco_weights.pt")]
    assert ranges == [None, "bytes=300000-", "bytes=305000-"]
    assert left(own_cache) == {"clipcap-coco"}


def test_a_run_that_ended_goes_on_in_the_next(
    places: Places, files: dict[str, Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TRIES", 1)
    places.cut = [200_000]
    text = refused()
    assert "broke off" in text and "run again to go on" in text
    assert [part.stat().st_size for part in (own_cache / "models").glob("*.part")] == [200_000]
    load_model("clipcap-coco")
    assert places.of("coco_weights.pt")[-1][2] == "bytes=200000-"


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(
    places: Places, files: dict[str, Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TRIES", 1)
    places.cut = [100]
    refused()
    (part,) = (own_cache / "models").glob("*.part")
    part.write_bytes(b"x" * (len(files["file"]) + 5))
    monkeypatch.setattr(download, "TRIES", 2)
    load_model("clipcap-coco")
    assert [row[2] for row in places.of("coco_weights.pt")][-1] is None


def test_a_server_that_fails_once_is_asked_again(places: Places, own_cache: Path) -> None:
    places.failing = [503]
    load_model("clipcap-coco")
    assert len(places.of("coco_weights.pt")) == 2


def test_the_next_source_is_tried_where_one_has_it_not(places: Places, files: dict[str, Any], own_cache: Path) -> None:
    places.repos.pop(COCO[0])
    places.drive[DRIVE_ID] = files["file"]
    load_model("clipcap-coco")
    assert len(places.of("/drive?")) == 1


def test_the_drives_page_of_confirmation_is_passed(places: Places, files: dict[str, Any], own_cache: Path) -> None:
    places.repos.pop(COCO[0])
    places.drive[DRIVE_ID], places.cut = files["file"], [250_000]
    places.pages[DRIVE_ID] = f"""<html><form id="download-form" action="{places.url}/drive" method="get">
        <input type="hidden" name="id" value="{DRIVE_ID}"><input type="hidden" name="uuid" value="u1"></form>"""
    load_model("clipcap-coco")
    assert [row[2] for row in places.of("uuid=u1")] == [None, "bytes=250000-"]


def test_a_page_instead_of_a_file_is_one_sentence(places: Places, own_cache: Path) -> None:
    places.repos.pop(COCO[0])
    places.pages[DRIVE_ID] = "<html>Quota exceeded</html>"
    text = refused()
    assert "gives a page instead of a file" in text and "vdesc convert" in text


def test_a_file_of_another_size_is_not_fetched(
    places: Places, files: dict[str, Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PUBLIC, "clipcap-coco", replace(PUBLIC["clipcap-coco"], size=2 * len(files["file"])))
    text = refused()
    assert "it is another file" in text and "answers 404" in text
    assert left(own_cache) == set()


def test_sizes_that_were_exchanged_on_the_drive_are_told_apart(
    places: Places, files: dict[str, Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (source.removeprefix("drive:") for source in PUBLIC["clip-gpt-s"].sources)
    assert PUBLIC["clip-gpt-l"].sources == (f"drive:{large}", f"drive:{small}")
    places.drive = {small: files["file"], large: files["other"]}
    sized(monkeypatch, "clip-gpt-s", files["other"], format="clip-gpt-captioning (128 wide)")
    model, _ = load_model("clip-gpt-s")
    assert model.config.positions == "doubled"


def test_a_file_that_is_another_model_is_told_by_its_keys(
    places: Places, files: dict[str, Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (source.removeprefix("drive:") for source in PUBLIC["clip-gpt-s"].sources)
    places.drive = {small: files["other"], large: files["other"][:-50] + b"\0" * 50}
    sized(monkeypatch, "clip-gpt-s", files["other"])
    text = refused("clip-gpt-s")
    assert "holds clip-gpt-captioning (128 wide), not clip-gpt-captioning S" in text and "damaged" in text
    assert f"drive.google.com/file/d/{small}" in text
    assert left(own_cache) == set()


def test_without_network_it_fails_at_once_with_the_next_step(
    places: Places, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for offline in (True, False):
        if offline:
            monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        else:
            monkeypatch.delenv("HF_HUB_OFFLINE")
            monkeypatch.setattr(socket, "create_connection", lambda *_, **__: (_ for _ in ()).throw(OSError()))
        text = refused()
        assert "cannot be reached" in text and "vdesc convert" in text and DRIVE_ID in text
    assert places.asked == []


def test_an_encoder_that_cannot_be_had_is_named_before_the_large_file(places: Places, own_cache: Path) -> None:
    places.repos.pop(catalogue.VIT)
    assert catalogue.VIT in refused()
    assert places.of("coco_weights.pt") == []


def test_a_full_disk_is_one_sentence_and_keeps_what_came(
    places: Places, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = download.urlopen

    class Full:
        def __init__(self, answer: Any):
            self.answer, self.headers, self.status, self.reads = answer, answer.headers, answer.status, 0

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: Any) -> None:
            self.answer.close()

        def read(self, count: int) -> bytes:
            self.reads += 1
            if self.reads == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.answer.read(150_000)

    monkeypatch.setattr(download, "urlopen", lambda *a, **k: Full(real(*a, **k)))
    assert "there is no room" in refused(kind=OutputError)
    assert [part.stat().st_size for part in (own_cache / "models").glob("*.part")] == [150_000]


def test_two_at_once_fetch_it_once(places: Places, own_cache: Path) -> None:
    folders: list[Path] = []
    runs = [threading.Thread(target=lambda: folders.append(public_folder("clipcap-coco"))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(folders) == 2 and folders[0] == folders[1]
    assert len(places.of("coco_weights.pt")) == 1


def test_every_name_is_told_in_the_options() -> None:
    description = ClipGPT.Options.model_fields["model"].description or ""
    assert all(name in description for name in PUBLIC)


def test_the_names_hold_what_they_say() -> None:
    """Their sizes are those of the parameters at four bytes, and of GPT-2's masks at one."""
    clipcap = (124_439_808 + 31_468_800) * 4 + 12 * 1024 * 1024
    sizes = {"clipcap-coco": clipcap, "clipcap-conceptual": clipcap}
    sizes |= {"clipcap-coco-transformer": (124_439_808 + 57_520_128) * 4 + 12 * 2**20}
    sizes |= {"clip-gpt-s": 256_785_408 * 4 + 12 * 2**20, "clip-gpt-l": 725_182_464 * 4 + 24 * 2**20}
    for name, size in sizes.items():
        assert abs(PUBLIC[name].size - size) < 0.01 * size
    assert sizes.keys() == PUBLIC.keys()
