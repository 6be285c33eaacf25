"""Models by name: folders, the hub's cache, and an answer at once where there is no network."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from vdesc import ModelError, hub


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A server on this machine that plays a hub which has nothing."""

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("x-error-code", "RepoNotFound")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_folder_is_taken_as_it_is(tmp_path: Path):
    assert hub.model_folder(str(tmp_path), "x") == tmp_path


@pytest.mark.parametrize("name", ["nothing", "./nothing", "a/b/c", ""])
def test_what_is_no_folder_and_no_id_is_refused(name: str):
    with pytest.raises(ModelError, match="there is no model") as error:
        hub.model_folder(name, "clipgpt")
    assert "clipgpt" in str(error.value)


def test_offline_fails_with_the_next_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("no connection may be tried"))
    with pytest.raises(ModelError, match="cannot be reached: download it where there is a network"):
        hub.model_folder("owner/name", "clipgpt")


def test_a_network_that_does_not_answer_fails_after_one_try(monkeypatch: pytest.MonkeyPatch):
    tries = []

    def silent(address: tuple[str, int], patience: float) -> None:
        tries.append(patience)
        raise TimeoutError

    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(ModelError, match="cannot be reached"):
        hub.model_folder("owner/name", "clipgpt")
    assert len(tries) == 1 and tries[0] <= 5


def test_a_hub_that_answers_is_reachable(monkeypatch: pytest.MonkeyPatch, online: str):
    from huggingface_hub import constants

    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", online)
    assert hub.reachable() and hub.reachable(online)


def test_a_model_in_the_hubs_cache_needs_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import huggingface_hub

    commit = "0" * 40
    snapshot = tmp_path / "models--owner--name" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = tmp_path / "models--owner--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text(commit)
    real = huggingface_hub.snapshot_download
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: real(*a, cache_dir=tmp_path, **k))
    assert hub.model_folder("owner/name", "x") == snapshot
