"""Servers that are down, slow, busy, broken or strict: one sentence each, the rest goes on, and nobody sees the key."""

import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest
import vdesc_openai
from hypothesis import given
from hypothesis import strategies as st
from openai_server import (
    Reply,
    Server,
    chunked,
    completion,
    counts,
    drips,
    drops,
    echoes_key,
    fails,
    raw,
    says,
    serving,
    sleeps,
)
from vdesc import ModelError, PluginError, SettingsError, pipeline
from vdesc.registry import Registry, create
from vdesc.testing import FakeCaptioner, module, slots, small_video
from vdesc_openai import OpenAI, endpoint
from vdesc_openai.chat import choices
from vdesc_openai.tally import GIVE_UP
from vdesc_openai.trouble import retry_after, told

KEY = "sk-test-0123456789abcdef"
WHOLE = json.dumps(completion("A cat.")).encode()
Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *replies, **more: stack.enter_context(serving(*replies, **more))


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits a thousandth of the time, and has a key."""
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.0005)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def made(server: Server, **options: object) -> OpenAI:
    given = {"url": server.url, "model": "tiny", "in_flight": 1, "retries": 0, "timeout": 60, **options}
    plugin: OpenAI = create(OpenAI, **given)
    return plugin


def texts(plugin: OpenAI, count: int = 1) -> list[str]:
    return [candidate.text for candidate in plugin.propose(slots(count))]


def sentence(plugin: OpenAI, kind: type[Exception] = PluginError, count: int = 1) -> str:
    with pytest.raises(kind) as caught:
        texts(plugin, count)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown and "\n" not in str(caught.value)
    return str(caught.value)


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


CASES: dict[str, tuple[Reply, str]] = {
    "wrong key": (
        fails(401),
        "does not accept the key (HTTP 401), saying 'it was asked to fail': put a valid",
    ),
    "echoed key": (echoes_key(), "saying 'Incorrect API key provided: ***': put a valid one into OPENAI_API_KEY"),
    "echoed key, 500": (echoes_key(500), "failed (HTTP 500), saying 'Incorrect API key provided: ***'"),
    "not allowed": (fails(403), "does not allow this (HTTP 403)"),
    "busy": (
        fails(429),
        "takes no more requests now (HTTP 429), saying 'it was asked to fail': lower",
    ),
    "broken": (fails(500), "failed (HTTP 500), saying 'it was asked to fail': look at the server's log"),
    "error page": (raw(b"<html>Bad \x1b[31mGateway</html>", status=502), "failed (HTTP 502): look at the server's log"),
    "refused": (fails(400), "refuses the request (HTTP 400), saying 'it was asked to fail': see that the model takes"),
    "too large": (fails(413), "finds the pictures too large (HTTP 413)"),
    "redirect": (fails(307, Location="http://127.0.0.1:9/v1"), "sends elsewhere, where the key must not go (HTTP 307)"),
    "no JSON": (raw(b"<html>hello</html>"), "answers what is no JSON: see that openai.url is right"),
    "half of the JSON": (raw(WHOLE[:40]), "answers what is no JSON"),
    "deep JSON": (raw(b"[" * 100_000), "answers what is no JSON"),
    "no UTF-8": (raw(b'{"choices": "\xff\xfe"}'), "answers what is no JSON"),
    "a stream": (raw(b'data: {"choices": []}\n\ndata: [DONE]\n\n'), "answers what is no JSON"),
    "an error under 200": (
        raw(b'{"error": {"message": "no GPU left."}}'),
        "reports an error, saying 'no GPU left': look",
    ),
    "half an answer": (raw(WHOLE[:40], len(WHOLE)), "broke off in the middle of an answer: look at the server's log"),
    "half a stream": (chunked(WHOLE[:40], end=False), "broke off in the middle of an answer"),
    "no word": (drops, "broke off in the middle of an answer"),
    "slow": (sleeps(1.2), "gave no answer within 0.3 s: raise openai.timeout or lower openai.in_flight"),
    "dripping": (drips(0.05, 20), "gave no answer within 0.3 s"),
    "endless": (raw(b" " * (endpoint.LARGEST + 9)), "broke off in the middle of an answer"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_trouble_is_one_sentence_that_names_the_server_and_the_next_step(start: Start, case: str):
    reply, expected = CASES[case]
    server = start(reply, models=None)
    said = sentence(made(server, timeout=0.3 if case in ("slow", "dripping") else 60))
    assert said.startswith(f"openai: {server.url} ")
    assert expected in said


def test_a_server_that_is_down():
    plugin = create(OpenAI, url=nobody(), model="tiny", retries=1)
    assert "cannot be reached (Connection refused): start the server or set openai.url" in sentence(plugin)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
def test_a_host_that_there_is_not(host: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    plugin = create(OpenAI, url=f"http://{host}/v1", model="tiny", retries=0)
    assert "cannot be reached (" in sentence(plugin)


def test_https_where_the_server_speaks_http(start: Start):
    server = start(says("A cat."))
    assert "cannot be reached (" in sentence(made(server, url=server.url.replace("http", "https")))


def test_without_a_key_it_says_where_to_put_one(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "asks for a key (HTTP 401), saying 'it was asked to fail': put a valid one into OPENAI_API_KEY" in sentence(
        made(start(fails(401)))
    )
    said = sentence(made(start(says("A cat.")), key_env="NOWHERE_KEY"), SettingsError)
    assert said == "openai: NOWHERE_KEY holds no key: set that environment variable, or leave key_env out"


@pytest.mark.parametrize("key", ["two words-0123456789", "line\nbreak-0123456789", "kéy-0123456789"])
def test_what_cannot_be_a_key_is_refused_without_being_shown(start: Start, key: str, monkeypatch: pytest.MonkeyPatch):
    server = start(says("A cat."))
    monkeypatch.setenv("OPENAI_API_KEY", key)
    said = sentence(made(server), SettingsError)
    assert "OPENAI_API_KEY holds no key" in said and "0123456789" not in said
    assert server.seen == []


def test_a_model_that_there_is_not_is_told_with_those_that_there_are(start: Start):
    server = start(fails(404, "model 'tinny' not found, try pulling it first"))
    said = sentence(made(server, model="tinny"), ModelError)
    assert said == f"openai: {server.url} has no model 'tinny': set openai.model (did you mean 'tiny'?)"
    said = sentence(made(server, model="zzz"), ModelError)
    assert said.endswith("has no model 'zzz': set openai.model (known: other-vl:7b, tiny)")
    assert "has no model" in sentence(made(start(fails(400)), model="zzz"), ModelError)


def test_an_address_without_the_protocol_is_told(start: Start):
    said = sentence(made(start(fails(404), models=None)))
    assert (
        "has no chat completions (HTTP 404)" in said and "see that openai.url is right; it usually ends in /v1" in said
    )


def test_no_model_named_tells_those_that_there_are(start: Start):
    server = start(says("A cat."))
    said = sentence(made(server, model=""), SettingsError)
    assert said == f"openai needs a model, as in --set openai.model=NAME: {server.url} has other-vl:7b, tiny"
    assert server.seen == []
    assert "has not told which" in sentence(create(OpenAI, url=nobody()), SettingsError)


def test_a_strange_list_of_models_is_none(start: Start):
    for strange in (b"[]", b'{"data": 5}', b'{"data": [{"name": 1}]}', b"x", b'{"data": [7]}', b"null"):
        server = start(fails(404))
        server.models = None
        plugin = made(server, model="")
        server.RequestHandlerClass = type(
            "H", (server.RequestHandlerClass,), {"do_GET": lambda self, body=strange: raw(body)(self, None)}
        )
        assert "has not told which" in sentence(plugin, SettingsError)


HALF = raw(WHOLE[:40], len(WHOLE))


@pytest.mark.parametrize("reply", [fails(429), fails(500), fails(503), drops, HALF, chunked(b"{", end=False)])
def test_what_may_pass_is_tried_again(start: Start, reply: Reply):
    server = start(reply, reply, says("A cat."))
    plugin = made(server, retries=2)
    assert texts(plugin) == ["A cat."]
    assert len(server.seen) == 3 and plugin.findings == []


def test_an_answer_that_takes_too_long_is_asked_for_again(start: Start):
    server = start(sleeps(4.0), says("A cat."))
    assert texts(made(server, retries=9, timeout=1.0)) == ["A cat."]
    assert len(server.seen) >= 2


@pytest.mark.parametrize("reply", [fails(400), fails(401), fails(403), fails(404), raw(b"no JSON"), fails(307)])
def test_what_will_not_pass_is_not(start: Start, reply: Reply):
    server = start(reply, says("A cat."))
    sentence(made(server, retries=5))
    assert len(server.seen) == 1


def test_tries_are_counted(start: Start):
    server = start(fails(503))
    sentence(made(server, retries=3))
    assert len(server.seen) == 4


def test_waits_grow_with_jitter_and_a_servers_wish_counts(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.05)
    server = start(fails(500), fails(500), fails(500), fails(429, Retry_After="1"), says("A cat."))
    assert texts(made(server, retries=4)) == ["A cat."]
    at = [seen.at for seen in server.seen]
    waits = [b - a for a, b in pairwise(at)]
    for i, wait in enumerate(waits[:3]):
        assert 0.05 * 2**i <= wait < 0.05 * 2**i * 1.5 + 0.5
    assert waits[3] >= 1.0


def test_a_wait_longer_than_anybody_waits_is_not_begun(start: Start):
    server = start(fails(429, Retry_After="3600"))
    sentence(made(server, retries=4))
    assert len(server.seen) == 1


@given(st.text(max_size=40))
def test_any_retry_after_header_is_a_wait_or_none(header: str):
    wait = retry_after(header)
    assert wait is None or wait >= 0


def test_retry_after_in_seconds_and_as_a_date():
    soon = datetime.now(timezone.utc) + timedelta(seconds=30)
    assert retry_after(" 7 ") == 7.0
    assert 25 < (retry_after(format_datetime(soon, usegmt=True)) or 0) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("soon") is None and retry_after("") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "text", "type", "error", "detail", "finish_reason", "param"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_answer_however_strange_breaks_the_reading(value: object):
    assert all(bool(said.wrong) != bool(said.text) for said in choices(value))
    words, param = told(json.dumps(value).encode())
    assert isinstance(words, str) and isinstance(param, str)


def test_a_refused_key_stops_the_rest_at_once(start: Start):
    server = start(fails(401))
    sentence(made(server, in_flight=2, retries=9), count=50)
    assert len(server.seen) <= 3


def test_a_refused_key_wakes_those_that_wait(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 30.0)
    server = start(fails(500), fails(401))
    assert "HTTP 401" in sentence(made(server, in_flight=2, retries=3), count=9)
    assert len(server.seen) == 2


def test_a_server_that_goes_down_is_not_asked_for_ever(start: Start):
    server = start(says("A cat."), fails(500))
    assert "HTTP 500" in sentence(made(server, retries=1), count=50)
    assert len(server.seen) <= 1 + 2 * (GIVE_UP + 2)


def test_a_server_that_stumbles_loses_only_those_slots(start: Start):
    replies = [says("A cat."), fails(500), fails(500), says("A dog."), fails(500), says("A cow.")]
    plugin = made(start(*replies))
    assert texts(plugin, 6) == ["A cat.", "A dog.", "A cow."]
    (finding,) = plugin.findings
    assert finding.level == "warning" and finding.message.startswith("no caption for slots 1, 2, 4: ")
    assert plugin.passing


@pytest.mark.parametrize(
    ("reply", "passing"),
    [
        (fails(503), True), (drops, True), (raw(b"no JSON"), True), (raw(b'{"error": {"message": "no GPU"}}'), True),
        (fails(400), False), (fails(413), False), (says(""), False),
    ],
)  # fmt: skip
def test_only_what_the_server_failed_at_may_be_gone_next_time(start: Start, reply: Reply, passing: bool):
    plugin = made(start(reply, says("A cat."), says("A cat.")), temperature=None)
    list(plugin.propose(slots(2)))
    assert plugin.passing == passing


def test_a_redirect_takes_the_key_nowhere(start: Start):
    other = start(says("A cat."))
    for status in (301, 302, 303, 307, 308):
        server = start(fails(status, Location=f"{other.url}/chat/completions"))
        assert f"(HTTP {status})" in sentence(made(server))
    assert other.seen == []


OUTPUTS = {**{name: reply for name, (reply, _) in CASES.items()}, "good": counts(), "key in the words": echoes_key(200)}


@pytest.mark.parametrize("case", [name for name in OUTPUTS if name != "endless"])
def test_the_key_is_in_no_output(
    start: Start, case: str, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, vdesc, caplog
):
    caplog.set_level(logging.DEBUG)
    registry = Registry()
    if all(entry.name != "openai" for entry in registry.entries):
        registry.register(vdesc_openai)
    registry.register(module(FakeCaptioner))
    monkeypatch.setattr(pipeline, "Registry", lambda: registry)
    server, clip, out = start(OUTPUTS[case]), small_video(tmp_path / "clip.mp4", seconds=2), tmp_path / "out"
    sets = {"url": server.url, "model": "tiny", "timeout": 0.3 if case in ("slow", "dripping") else 60, "retries": 0}
    options = [part for name, value in sets.items() for part in ("--set", f"openai.{name}={value}")]
    said = ""
    for plugins in ("openai", "openai,fake-captioner"):
        more = ("--plugins", plugins, "--format", "srt,json,vtt,txt", "--set", "ranking.similarity=tokens")
        code, printed, complained = vdesc("run", clip, "-o", out, *more, *options)
        said += printed + complained
    assert code in (0, 3)
    files = [path for folder in (tmp_path, own_cache) for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".json" and path.parent == out for path in files)
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in said and KEY not in caplog.text
    assert [path for path in files if KEY.encode() in path.read_bytes() or KEY in str(path)] == []


def test_the_key_is_not_shown_by_the_objects_that_hold_it(start: Start):
    plugin = made(start(says("A cat.")))
    held = plugin._endpoint()
    assert KEY not in repr(vars(held)) + repr(vars(plugin)) + repr(plugin.options)


def test_a_made_up_key_is_a_word_like_any(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert texts(made(start(says("There are none of them.")))) == ["There are none of them."]


def test_an_option_for_the_key_there_is_not_and_its_value_is_not_shown():
    with pytest.raises(SettingsError, match="openai has no option 'key'") as caught:
        create(OpenAI, key=KEY)
    assert KEY not in str(caught.value)
