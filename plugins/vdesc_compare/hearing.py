"""What a captioner says of scenes, and what that costs: load, time, memory, tokens."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from vdesc import Cache, Candidate, Captioner, Description, VdescError, memory, prompts
from vdesc.crew import Crew, blamed, device
from vdesc.pipeline import CHUNK
from vdesc.registry import Registry
from vdesc.settings import Settings
from vdesc.stages import sound

from .columns import Asked
from .comparison import Column, Cost

EVERY = 0.02
"""Seconds between two looks at the memory."""
Step = Callable[[int, int], object]
"""Is told how many slots are done, of how many."""


def settings_of(settings: Settings, asked: Asked) -> Settings:
    """The settings with this captioner alone, and its options over those that the settings have for its plugin."""
    options = {**settings.options, asked.plugin: {**settings.options.get(asked.plugin, {}), **asked.options}}
    return settings.model_copy(update={"plugins": (asked.spec,), "options": options, "formats": (), "speech": ""})


def heard(
    asked: Asked, scenes: Sequence[Description], settings: Settings, registry: Registry, cache: Cache, step: Step
) -> list[Column]:
    """For each scene what the captioner says of it, and its cost. A captioner that fails keeps its error.

    Nothing that it says is taken from the cache, and it is given none, so that the cost is its own. It is loaded once
    for all scenes, and closed before the next one comes.
    """
    blank = Column(asked.label, asked.plugin, dict(asked.options))
    try:
        crew = Crew(settings_of(settings, asked), registry, cache, ("captioner",))
    except VdescError as error:
        return [replace(blank, error=str(error))] * len(scenes)
    captioner = crew.captioners[0]
    blank = replace(blank, options=captioner.options.model_dump(mode="json"))
    captioner.cache = None
    total, done, columns = sum(len(scene.slots) for scene in scenes), 0, []
    try:
        with Meter(settings.device) as meter:
            crew.ready(captioner)
        load = meter.milliseconds
        for scene in scenes:
            columns.append(_proposed(blank, captioner, scene, settings, load))
            done += len(scene.slots)
            step(done, total)
    except VdescError as error:
        columns += [replace(blank, error=str(error))] * (len(scenes) - len(columns))
    finally:
        crew.close()
    return columns


def _proposed(blank: Column, captioner: Captioner, scene: Description, settings: Settings, load: float) -> Column:
    """What the captioner says of a scene; where it fails on the way, what it said until then and the error."""
    candidates: list[Candidate] = []
    times: list[float] = []
    error, n = "", settings.candidates
    captioner.findings.clear()
    try:
        with Meter(settings.device) as meter, blamed(captioner, "failed"):
            for start in range(0, len(scene.slots), CHUNK):
                some, begun = scene.slots[start : start + CHUNK], time.perf_counter()
                candidates += sound(captioner, some, captioner.propose(some, n), n)
                times += [1000 * (time.perf_counter() - begun) / len(some)] * len(some)
    except VdescError as failure:
        error = str(failure)
    told = [finding.message for finding in captioner.findings if finding.level != "note"]
    cost = Cost(
        load, sum(times), tuple(times), sum(_tokens(captioner, candidate.text) for candidate in candidates),
        meter.most or None, device(settings.device), captioner.parameters(),
    )  # fmt: skip
    labelled = tuple(replace(candidate, source=blank.label) for candidate in candidates)
    return replace(blank, candidates=labelled, cost=cost, error=error or ("" if candidates else "; ".join(told)))


def _tokens(captioner: Captioner, text: str) -> int:
    count = captioner.tokens(text)
    return prompts.estimate(text) if count is None else count


class Meter:
    """Milliseconds of a block, and the most memory in bytes that the process held in it beyond what it held before.

    On a GPU it is the most that torch held there. None where the system does not tell.
    """

    def __init__(self, where: str):
        self.on_gpu = device(where).startswith("cuda")
        self.milliseconds, self.most = 0.0, None if memory.held() is None else 0

    def __enter__(self) -> Meter:
        gc.collect()
        memory.release()
        if self.on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
        self._before, self._peak, self._over = memory.held() or 0, 0, threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.milliseconds = 1000 * (time.perf_counter() - self._start)
        self._over.set()
        self._watch.join()
        if self.on_gpu:
            import torch

            self.most = torch.cuda.max_memory_allocated()
        elif self.most is not None:
            self.most = max(0, max(self._peak, memory.held() or 0) - self._before)

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            self._peak = max(self._peak, memory.held() or 0)
