"""The captioner `openai`: slots in, what a server says of their pictures out. Nothing heavy is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from multiprocessing.pool import ThreadPool
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator
from vdesc import Candidate, ModelError, PluginError, SettingsError, Slot
from vdesc.errors import VdescError, nearest
from vdesc.prompted import Instructed

from .asking import Asking
from .chat import Dialect
from .endpoint import Endpoint, local
from .tally import Tally
from .trouble import Trouble

LISTED = 20
"""Most models that a sentence names."""


class OpenAI(Instructed):
    """Captions from any server that speaks OpenAI's chat completions: Ollama, vLLM, SGLang, transformers serve, ..."""

    # no `load`: the engine would import torch to tell it a device
    name = "openai"
    shorthand: ClassVar[str] = "model"
    notice = (
        "Pictures of the video, and what was read or heard in it, are sent to the server of openai.url; "
        "that is this machine unless you name another."
    )

    class Options(Instructed.Options):
        """The server, how it is asked, and what it is shown."""

        url: str = Field(
            "http://localhost:11434/v1",
            description="The server's address up to /v1: pictures of the video are sent there. Ollama's by default; "
            "vLLM and transformers serve listen on http://localhost:8000/v1.",
        )
        model: str = Field("", description="The model, by the name that the server knows it by.")
        key_env: str = Field(
            "OPENAI_API_KEY",
            description="The environment variable that holds the key, never the key itself; without one none is sent.",
        )
        in_flight: int = Field(4, ge=1, le=256, description="Requests at a time.")
        timeout: float = Field(120, gt=0, le=3600, description="Seconds that one try may take.")
        retries: int = Field(
            4, ge=0, le=20, description="How often a request is tried again where the server is busy, fails or is away."
        )
        frames: int = Field(4, ge=1, le=64, description="Most pictures of a slot that are shown.")
        side: int = Field(768, ge=32, le=4096, description="The longest side of a picture in pixels.")
        quality: int = Field(85, ge=1, le=95, description="JPEG quality of the pictures.")
        detail: Literal["auto", "low", "high"] = Field(
            "auto", description="How closely the server looks at pictures, where it knows that setting."
        )
        max_tokens: int | None = Field(
            256, ge=1, le=65536, description="The longest answer in tokens; null leaves that to the server."
        )
        temperature: float | None = Field(
            0.7, ge=0, le=2, description="0 takes the likeliest words and gives one candidate; null: the server's own."
        )
        seed: int | None = Field(
            0, ge=0, lt=2**31, description="Same seed, same captions, where the server can; null sends none."
        )

        @field_validator("url")
        @classmethod
        def _address(cls, url: str) -> str:
            if not usable(url):  # the value stays out of the message: it may hold a password
                raise SettingsError(
                    "openai: url must be like http://localhost:11434/v1: http or https and a host, without user name, "
                    "password, ? or #; a key goes into the environment variable that key_env names"
                )
            return url.rstrip("/")

        @field_validator("key_env")
        @classmethod
        def _variable(cls, name: str) -> str:
            if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name):  # the value may be a key
                raise SettingsError(
                    "openai: key_env must name an environment variable in capital letters, such as OPENAI_API_KEY: "
                    "put the key there, not here"
                )
            return name

    def __init__(self, options: BaseModel | None = None):
        super().__init__(options)
        self._dialect = Dialect()

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        """Up to `n` different captions a slot, in the server's order; candidates have no confidence.

        Raises:
            SettingsError: no model is named, there is no usable key where one is asked for, or the words of prompts
                cannot be read.
            ModelError: the server has no such model.
            PluginError: it takes no request, or answers none.
        """
        seen = self.shown(slots)
        if not seen:
            return
        self.words  # noqa: B018 - read once, before threads ask for them
        endpoint = self._endpoint()
        asking, tally = Asking(endpoint, self._dialect, self, n), Tally()
        with ThreadPool(min(self.options.in_flight, len(seen))) as pool:  # daemons: Ctrl-C need not wait for them
            try:
                for slot, reply in zip(seen, pool.imap(asking, seen), strict=True):
                    down = tally.add(slot.index, reply)
                    if trouble := asking.final or (reply.trouble if down else None):
                        raise self._failure(trouble, endpoint)
                    yield from self.candidates(slot, reply.heard)
            finally:
                asking.stop.set()
        if tally.trouble and not tally.answered:
            raise self._failure(tally.trouble, endpoint)
        tally.missed.tell(self)
        if refused := self._dialect.refused:
            self.note(f"the server takes no {', '.join(refused)}: asked without")

    def _endpoint(self) -> Endpoint:
        """The server, with the key. Raises `SettingsError`."""
        options = self.options
        endpoint = Endpoint(options.url, self._key(), options.key_env, options.timeout, options.retries)
        if not options.model:
            names = ", ".join(endpoint.models()[:LISTED])
            raise SettingsError(
                f"openai needs a model, as in --set openai.model=NAME: {options.url} has {names or 'not told which'}"
            )
        return endpoint

    def _key(self) -> SecretStr | None:
        """The key in the environment, or None. Raises `SettingsError`, which does not show it."""
        variable = self.options.key_env
        key = os.environ.get(variable, "").strip()
        if not key and variable != self.Options.model_fields["key_env"].default:
            raise SettingsError(f"openai: {variable} holds no key: set that environment variable, or leave key_env out")
        if not all("!" <= character <= "~" for character in key):
            raise SettingsError(f"openai: {variable} holds no key: set it to one of ASCII letters and marks, no spaces")
        if key and urlsplit(self.options.url).scheme == "http" and not local(self.options.url):
            self.note(f"the key and the pictures go unencrypted to {self.options.url}: use https if you can", "warning")
        return SecretStr(key) if key else None

    def _failure(self, trouble: Trouble, endpoint: Endpoint) -> VdescError:
        """The error that ends the work: a model that the server does not have is named, with those that it has."""
        model = self.options.model
        if trouble.status in (400, 404, 422) and (names := endpoint.models()) and model not in names:
            known = nearest(model, get_close_matches(model, names) or names[:LISTED])
            return ModelError(f"openai: {endpoint.url} has no model '{model}': set openai.model ({known})")
        return PluginError(f"openai: {trouble}")


def usable(url: str) -> bool:
    """Whether the url can be asked: http or https, a host, and nothing that is secret or lost before a path."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return fine and all("!" <= character <= "~" for character in url) and not set(url) & set("@?#\\")
