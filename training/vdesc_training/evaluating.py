"""`vdesc eval` at work: gathers the cases, measures them, prints the figures and writes what was asked for."""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from vdesc.cache import Cache
from vdesc.crew import Crew, blamed, device
from vdesc.errors import InputError
from vdesc.files import digest
from vdesc.kinds import Plugin
from vdesc.registry import Registry
from vdesc.registry import split as parted
from vdesc.settings import Settings, layered

from .caption_files import read_items
from .captioning import caption
from .cases import Gathered, from_files
from .evaluation import Evaluation, How, measure
from .metrics import Figure, java
from .page import number
from .pictures import draw
from .scores import write_predictions, write_scores
from .table import TABLE

NAMED = 3  # of the items that were left out


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for, whatever is measured.

    Args:
        split: of the caption table.
        sets: settings and options of plugins, as in `--set`.
        tokenizer, language, bertscore, device: see `How`; a language of None is the captioner's, or English.
        out: the folder for results, or None.
        drawn: whether captions are drawn on the photos.
        fresh: whether captions that an earlier call kept are made again.
    """

    split: str = "test"
    sets: tuple[str, ...] = ()
    tokenizer: str = "auto"
    language: str | None = None
    bertscore: str = ""
    device: str = "auto"
    out: Path | None = None
    drawn: bool = False
    fresh: bool = False

    def how(self, settings: Settings, language: str = "", judges: Sequence[dict[str, Any]] = ()) -> How:
        """How captions are measured, where their language turned out to be `language`. Raises `SettingsError`.

        Args:
            judges: the rankers; see `_identity`.
        """
        where = device(self.device) if self.bertscore else "cpu"
        spoken = self.language or language or "en"
        options = {judge["name"]: "".join(f"{k}={v} " for k, v in judge["options"].items()) for judge in judges}
        names = {name: f"mean of the ranker's scores; {text}".strip("; ") for name, text in options.items()}
        return How(self.tokenizer, spoken, settings.ranking.similarity, self.bertscore, where, names)


class Kept(Cache):
    """The engine's cache, which knows whether anything was `found` in it: who has changed a plugin's code must know."""

    found = False

    def get(self, part: str, key: str) -> Any | None:
        """The value stored under a key, or None."""
        value = super().get(part, key)
        self.found |= value is not None
        return value


def of_captioner(captioner: str, rankers: Sequence[str], data: Path, n: int, asked: Asked) -> Evaluation:
    """The evaluation of a captioner on a split of a caption table; printed, and written where that is asked for.

    Args:
        captioner: a plugin, as in `clipgpt` or `clipgpt:MODEL`. Options in `asked.sets` without a plugin's name are
            its own.
        rankers: plugins that judge the candidates.
        n: how many captions it is asked for.
    Raises:
        VdescError: see `Crew`, `read_items`, `caption`, `measure`.
    """
    name, _ = parted(captioner)
    registry = Registry()
    registry.find(name, ("captioner",))
    sets = [text if "." in text.partition("=")[0] else f"{name}.{text}" for text in asked.sets]
    flags = dict(plugins=[captioner, *rankers], formats=[], device=asked.device, language=asked.language)
    settings = layered(flags=flags, sets=sets)
    asked.how(settings)  # so that a mistake is told before the work, not after
    kept, items = Kept(enabled=not asked.fresh), read_items(data, asked.split)
    crew = Crew(settings, registry, kept)
    try:
        for worker in (*crew.captioners, *crew.rankers):
            worker.cache = None  # a data set's features would fill the disk; what is said of it does not
        with _progress(f"{name} on {data.resolve().name}", len(items)) as report:
            gathered = caption(crew, data, items, n, report)
        made = {
            "title": f"{captioner} on {data.resolve().name}, {asked.split}",
            "captioner": _identity(crew, crew.captioners[0]),
            "rankers": [_identity(crew, ranker) for ranker in crew.rankers],
            "weights": dict(settings.ranking.weights),
            "asked_for": n,
            "data": {"folder": data.resolve().name, "sha256": digest(data / TABLE), "split": asked.split},
        }
        _tell(f"{finding.source}: {finding.message}" for finding in gathered.findings)
        if kept.found:
            _tell(["what an earlier call of the same captioner made was taken from the cache: --fresh makes it again"])
    finally:
        crew.close()
    return _evaluated(gathered, data, settings, asked, made)


def of_files(predictions: Path, references: Path, asked: Asked) -> Evaluation:
    """The evaluation of a file of captions; printed, and written where that is asked for. Raises `VdescError`."""
    settings = layered(sets=asked.sets)
    asked.how(settings)
    gathered = from_files(predictions, references, asked.split)
    truth = references / TABLE if references.is_dir() else references
    made = {
        "title": f"{predictions.name} against {references.resolve().name}",
        "predictions": {"file": predictions.name, "sha256": digest(predictions)},
        "references": {"file": references.resolve().name, "sha256": digest(truth)},
    }
    return _evaluated(gathered, references, settings, asked, made)


def _evaluated(gathered: Gathered, table: Path, settings: Settings, asked: Asked, made: dict[str, Any]) -> Evaluation:
    cases, rejects = gathered.cases, gathered.rejects
    if not cases:
        raise InputError(f"nothing in {table} can be measured: {next(iter(rejects.values()))}")
    if asked.out:
        write_predictions(cases, asked.out)  # first: what comes now may fail, and must not cost the captions
    how = asked.how(settings, gathered.language, made.get("rankers", ()))
    with _waiting("measuring"):
        figures, choices = measure(cases, how)
    made |= {"items": len(cases), "language": how.language, "versions": _versions()}
    evaluation = Evaluation(cases, figures, choices, rejects, made)
    _show(evaluation)
    if asked.out:
        write_scores(evaluation, asked.out)
        if asked.drawn:
            drawn, failed = draw(cases, table, asked.out / "drawn")
            _tell([f"{drawn} photos drawn, {len(failed)} not: {_some(failed)}"] if failed else [])
        print(f"wrote {asked.out}")
    return evaluation


def _identity(crew: Crew, plugin: Plugin) -> dict[str, Any]:
    with blamed(plugin, "failed"):
        fingerprint = plugin.fingerprint()
    options = plugin.options.model_dump(mode="json")
    return {"name": plugin.name, "version": crew.versions[plugin.name], "options": options, "fingerprint": fingerprint}


def _versions() -> dict[str, str]:
    versions = {"java": java.version()} if java.version() else {}
    for package in ("vdesc", "pycocoevalcap", "bert-score", "sentence-transformers"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _show(evaluation: Evaluation) -> None:
    """Prints the figures, what ranking wins, and what was left out."""
    console = Console(highlight=False)
    reasons: dict[str, list[str]] = {}
    for key, reason in evaluation.rejects.items():
        reasons.setdefault(reason, []).append(key)
    _tell(f"{len(keys):,} left out, {reason}: {_some(keys)}" for reason, keys in reasons.items())
    console.print(Text(f"{evaluation.made['title']}: {len(evaluation.cases):,} items", "bold"), soft_wrap=True)
    table = _table("figure", "value", "how")
    for figure in evaluation.figures:
        table.add_row(figure.label, number(figure.value), Text(figure.how, "dim"))
    console.print(table)
    if evaluation.choices:
        console.print(_compared(evaluation.choices))


def _compared(choices: Mapping[str, Sequence[Figure]]) -> Table:
    table = _table("choice", *(figure.label for figure in next(iter(choices.values()))))
    for name, figures in choices.items():
        table.add_row(name, *(number(figure.value) for figure in figures))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="left" if name == "how" else "right")
    return table


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:NAMED]) + (", ..." if len(keys) > NAMED else "")


def _tell(sentences: Iterator[str] | Sequence[str]) -> None:
    """Prints warnings to standard error, each once."""
    for sentence in dict.fromkeys(sentences):
        Console(stderr=True, soft_wrap=True, highlight=False).print(Text(sentence, "yellow"))


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    console = Console(stderr=True)
    with console.status(what) if console.is_terminal else nullcontext():
        yield
