"""A real local server of chat completions for the tests: scripted, or with a small model behind it.

python tests/plugins/openai_server.py FOLDER       serves the model in FOLDER; prints its port
python tests/plugins/openai_server.py --wait 0.2   answers each request after so many seconds
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass
class Seen:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)

    @property
    def prompt(self) -> str:
        return "".join(part["text"] for part in self.body["messages"][0]["content"] if part["type"] == "text")

    @property
    def images(self) -> list[Image.Image]:
        parts = [part for part in self.body["messages"][0]["content"] if part["type"] == "image_url"]
        return [Image.open(io.BytesIO(base64.b64decode(p["image_url"]["url"].split(",")[1]))) for p in parts]


Reply = Callable[[BaseHTTPRequestHandler, Seen], None]


class Server(ThreadingHTTPServer):
    """Answers what `replies` say, one a request, the last for all further ones; `/models` lists `models`."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, *replies: Reply, models: Sequence[str] | None = ("tiny", "other-vl:7b")):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies, self.models = list(replies), models
        self.seen: list[Seen] = []
        self.now = self.most = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1

    def handle_error(self, *_: Any) -> None:
        """Nothing: clients may go."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/v1/models" and self.server.models is not None:
            send(self, 200, {"object": "list", "data": [{"id": name} for name in self.server.models]})
        else:
            send(self, 404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        with self.server.counted():
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            seen = Seen(self.path, dict(self.headers), json.loads(raw))
            self.server.next(seen)(self, seen)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def serving(*replies: Reply, models: Sequence[str] | None = ("tiny", "other-vl:7b")) -> Iterator[Server]:
    """The server in a thread of this process."""
    with Server(*replies, models=models) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def send(handler: BaseHTTPRequestHandler, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    handler.send_response(status)
    for name, text in {"Content-Length": str(len(raw)), **(headers or {})}.items():
        handler.send_header(name, text)
    handler.end_headers()
    handler.wfile.write(raw)


def completion(*texts: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """The JSON value of an answer with a choice for each text."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text, **more}, "finish_reason": finish}
        for i, text in enumerate(texts)
    ]
    return {"id": "1", "object": "chat.completion", "model": "tiny", "choices": choices}


def says(*texts: Any, finish: str = "stop", **more: Any) -> Reply:
    """Answers with these choices, whatever `n` is."""
    return lambda handler, seen: send(handler, 200, completion(*texts, finish=finish, **more))


def counts(seconds: float = 0.0) -> Reply:
    """Answers with as many choices as asked for, each of its own; after some seconds."""

    def reply(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        time.sleep(seconds)
        first, n = seen.body.get("seed", 0), seen.body.get("n", 1)
        send(handler, 200, completion(*(f"A scene in way {name(first + i)}." for i in range(n))))

    return reply


def name(number: int) -> str:
    """A word of its own for each number."""
    return "abcdefghij"[number % 10] * 3 + ("" if number < 10 else " " + name(number // 10))


def fails(status: int, message: Any = "it was asked to fail", **headers: str) -> Reply:
    """Answers with an HTTP state, as OpenAI shapes it."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda handler, seen: send(handler, status, {"error": {"message": message, "type": "test"}}, given)


def raw(body: bytes, length: int | None = None, status: int = 200, **headers: str) -> Reply:
    """Answers with these bytes; `length` is what it promises."""
    promised = {"Content-Length": str(len(body) if length is None else length), **headers}
    return lambda handler, seen: send(handler, status, body, promised)


def chunked(*parts: bytes, end: bool = True) -> Reply:
    """Answers in chunks; without `end` the last one never comes."""

    def reply(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in (*parts, *([b""] if end else [])):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.close_connection = True

    return reply


def drops(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def sleeps(seconds: float, then: Reply | None = None) -> Reply:
    def reply(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        time.sleep(seconds)
        (then or says("Too late."))(handler, seen)

    return reply


def drips(every: float, times: int) -> Reply:
    """A byte now and then, so that no single read is slow."""

    def reply(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(times):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(every)

    return reply


def echoes_key(status: int = 401) -> Reply:
    """Repeats the key that it was sent, as some servers do."""

    def reply(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        key = seen.headers.get("Authorization", "").removeprefix("Bearer ")
        if status == 200:
            send(handler, 200, completion(f"A man says {key} aloud."))
        else:
            send(handler, status, {"error": {"message": f"Incorrect API key provided: {key}."}})

    return reply


def model_reply(folder: Path) -> Reply:
    """Answers with the words of the image-text-to-text model in the folder; takes `n`, `seed` and `temperature`."""
    import torch
    import vdesc  # noqa: F401 - it sets torchvision beside a torch that it was not built for to rights
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    lock = threading.Lock()

    def reply(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        content = [
            {"type": "image"} if part["type"] == "image_url" else {"type": "text", "text": part["text"]}
            for part in seen.body["messages"][0]["content"]
        ]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(text=text, images=seen.images, return_tensors="pt")
        with lock, torch.inference_mode():
            torch.manual_seed(seen.body.get("seed", 0))
            warmth = seen.body.get("temperature", 1.0)
            how = {"do_sample": True, "temperature": warmth} if warmth else {"do_sample": False}
            said = model.generate(
                **inputs, max_new_tokens=seen.body["max_tokens"], num_return_sequences=seen.body.get("n", 1), **how
            )
        new = said[:, inputs["input_ids"].shape[1] :]
        ended = "stop" if bool((new == model.generation_config.eos_token_id).any(1).all()) else "length"
        texts = [words + "." for words in processor.batch_decode(new, skip_special_tokens=True)]
        send(handler, 200, completion(*texts, finish=ended))

    return reply


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--wait", type=float, default=0.0)
    asked = parser.parse_args()
    server = Server(model_reply(asked.folder) if asked.folder else counts(asked.wait))
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
