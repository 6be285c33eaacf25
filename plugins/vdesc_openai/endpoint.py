"""One server, asked over HTTP: a request is tried again where that can help, and the key is seen by nobody.

Only the standard library. Redirects are not followed, as the key would go along; a server on this machine is asked
without a proxy; answers are read up to `LARGEST` bytes and until the time is up.
"""

from __future__ import annotations

import json
import random
import ssl
import threading
import time
import unicodedata
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from pydantic import SecretStr

from .trouble import AGAIN, FINAL, TOLD, Trouble, meaning, retry_after, told

LARGEST = 4 << 20
"""Bytes of an answer; captions need some hundreds."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second try, doubled for each further one; more than the longest is not waited for."""
SHORTEST = 8
"""Characters of a key that is worth hiding; shorter ones are made up (`none`), and may be words of a caption."""
LISTING = 10.0
"""Seconds that the list of models may take."""


class Endpoint:
    """A server that speaks OpenAI's protocol under `url`; may be used by several threads.

    Args:
        url: what comes before `/chat/completions`, with `http` or `https`.
        key: sent as bearer token, where there is one.
        key_env: the environment variable that it comes from.
        timeout: seconds that one try may take.
        retries: how often a request is tried again.
    """

    def __init__(self, url: str, key: SecretStr | None, key_env: str, timeout: float, retries: int):
        self.url, self.timeout, self.retries = url.rstrip("/"), timeout, retries
        self._key, self._key_env = key, key_env
        self._opener = _opener(self.url)

    def ask(self, body: dict[str, Any], stop: threading.Event) -> Any:
        """The JSON value that the server answers to a chat completion. Raises `Trouble`.

        Where `stop` is set nothing is tried any more, nor waited for.
        """
        for tried in range(self.retries + 1):
            if stop.is_set():
                break
            try:
                return self._send("/chat/completions", self.timeout, body)
            except Trouble as trouble:
                wait = pause(tried) if trouble.wait is None else trouble.wait
                if not trouble.again or tried == self.retries or wait > LONGEST_WAIT:
                    raise
                stop.wait(wait + random.uniform(0, pause(tried) / 2))
        raise Trouble(f"{self.url} was not asked any more: try again")

    def models(self) -> list[str]:
        """The names of the models that the server has; none where it does not tell."""
        try:
            listed = self._send("/models", min(LISTING, self.timeout))["data"]
            return sorted(self._plain(str(model["id"])) for model in listed)
        except (Trouble, KeyError, TypeError):
            return []

    def hidden(self, text: str) -> str:
        """The text without the key, should the server repeat it."""
        key = self._key.get_secret_value() if self._key else ""
        return text.replace(key, "***") if len(key) >= SHORTEST else text

    def _plain(self, text: str) -> str:
        """What the server said in one line, cut, without control characters and without the key."""
        text = self.hidden(text[: 20 * TOLD])
        shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
        return " ".join(shown.split())[:TOLD].rstrip(".")

    def _send(self, path: str, timeout: float, body: dict[str, Any] | None = None) -> Any:
        """The JSON value answered to one request. Raises `Trouble`."""
        data = None if body is None else json.dumps(body).encode()
        until = time.monotonic() + timeout
        try:
            with self._opener.open(self._request(path, data), timeout=timeout) as answer:
                raw = _whole(answer, until)
        except HTTPError as error:
            with error:
                raise self._refused(error, until) from None
        except (OSError, HTTPException, UnicodeError) as error:
            raise self._broken(error) from None
        return self._read(raw)

    def _request(self, path: str, data: bytes | None) -> Request:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "vdesc"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        return Request(self.url + path, data, headers)

    def _read(self, raw: bytes) -> Any:
        """The JSON value. Raises `Trouble` where it is none, or tells of an error."""
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            raise Trouble(f"{self.url} answers what is no JSON: see that openai.url is right") from None
        if isinstance(value, dict) and value.get("error"):  # some say so under the state 200
            raise Trouble(f"{self.url} reports an error{self._quoted(told(raw)[0])}: look at the server's log")
        return value

    def _refused(self, error: HTTPError, until: float) -> Trouble:
        """The trouble that an HTTP state means."""
        status = error.code
        try:
            raw = _whole(cast(HTTPResponse, error.fp), until)
        except (OSError, HTTPException):
            raw = b""
        words, param = told(raw)
        what, step = meaning(status, self._key_env, bool(self._key))
        sentence = f"{self.url} {what} (HTTP {status}){self._quoted(words)}: {step}"
        wait = retry_after(error.headers.get("Retry-After", ""))
        return Trouble(sentence, status, again=status in AGAIN, final=status in FINAL, wait=wait, param=param)

    def _quoted(self, words: str) -> str:
        """The server's own words as an aside."""
        return f", saying '{plain}'" if (plain := self._plain(words)) else ""

    def _broken(self, error: Exception) -> Trouble:
        """The trouble that a connection which failed means."""
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            what, step = f"gave no answer within {self.timeout:g} s", "raise openai.timeout or lower openai.in_flight"
        elif isinstance(reason, ssl.SSLCertVerificationError):
            what, step = "has a certificate that is not trusted", "set SSL_CERT_FILE to one that vouches for it"
        elif isinstance(reason, HTTPException | ConnectionError) and not isinstance(reason, ConnectionRefusedError):
            what, step = "broke off in the middle of an answer", "look at the server's log"
        else:
            words = self._plain(str(getattr(reason, "strerror", None) or reason))
            what, step = f"cannot be reached ({words})", "start the server or set openai.url"
        trusted = not isinstance(reason, ssl.SSLCertVerificationError)
        return Trouble(f"{self.url} {what}: {step}", again=trusted, final=not trusted)


def pause(tried: int) -> float:
    """Seconds to wait after so many tries."""
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2**tried))


def local(url: str) -> bool:
    """Whether the url names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _whole(answer: HTTPResponse, until: float) -> bytes:
    """The body of an answer. Raises `TimeoutError`, or `HTTPException` where it is cut short or far too long."""
    parts, size, promised = [], 0, answer.length
    while size != promised and (part := answer.read1(1 << 16)):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise HTTPException("too long")
        if time.monotonic() > until:
            raise TimeoutError
    if promised is not None and size < promised:  # `read1` does not mind
        raise HTTPException("cut short")
    return b"".join(parts)


def _opener(url: str) -> OpenerDirector:
    """What opens connections: with the proxies of the environment where the server is not on this machine."""
    return build_opener(ProxyHandler({} if local(url) else None), _Staying())


class _Staying(HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_: Any) -> None:
        """None: urllib then raises the state as an error."""
