"""`vdesc data`: brings data sets into a caption table."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import need

if TYPE_CHECKING:
    from rich.table import Table

    from ..figures import Figures
    from ..report import Report

app = typer.Typer(help="Brings data sets into a caption table, and shows it.", no_args_is_help=True)

Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Files of captions, and folders or zips of pictures; a folder may hold all.", show_default=False
    ),
]
Folder = Annotated[Path, typer.Argument(help="Where the table and its pictures go.", show_default=False)]
Val = Annotated[float, typer.Option(help="The part that becomes val, where the source has no split.")]
Test = Annotated[float, typer.Option(help="The part that becomes test, where the source has no split.")]
Frames = Annotated[str, typer.Option(help="Keyframes of videos: uniform:N, every:2s, shots.")]
Columns = Annotated[list[str] | None, typer.Option("--column", help="A column of a CSV that holds sentences.")]


@app.callback()
def _data() -> None:
    """Brings data sets into a caption table, and shows it."""


@app.command()
def flickr8k(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads Flickr8k: captions.csv or Flickr8k.token.txt, lists of splits, photos (research use only)."""
    _read("flickr8k", sources, folder, val, test)


@app.command()
def flickr30k(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads Flickr30k: results.csv or results_20130124.token, photos (research use only)."""
    _read("flickr30k", sources, folder, val, test)


@app.command()
def coco(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads COCO's captions_*.json (captions CC BY 4.0; each photo has its own licence)."""
    _read("coco", sources, folder, val, test)


@app.command()
def karpathy(sources: Sources, folder: Folder) -> None:
    """Reads Karpathy's dataset_coco.json, dataset_flickr8k.json or dataset_flickr30k.json with its splits."""
    _read("karpathy", sources, folder)


@app.command()
def clipcap(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads ClipCap's oscar_split_*.pkl: captions, and CLIP embeddings as features."""
    _read("clipcap", sources, folder, val, test)


@app.command("clip-gpt")
def clip_gpt(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads clip-gpt-captioning's dataset.pkl: captions, and CLIP embeddings as features."""
    _read("clip_gpt", sources, folder, val, test)


@app.command()
def msrvtt(sources: Sources, folder: Folder, keyframes: Frames = "uniform:28") -> None:
    """Reads MSR-VTT: its JSON, videos (research use only)."""
    _read("msrvtt", sources, folder, keyframes=keyframes)


@app.command()
def nyu(sources: Sources, folder: Folder) -> None:
    """Reads the NYU video prefix's HDF5 of CLIP features, with MSR-VTT's JSON."""
    need("h5py")
    _read("nyu", sources, folder)


@app.command()
def msvd(sources: Sources, folder: Folder, keyframes: Frames = "uniform:28", val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads MSVD: AllVideoDescriptions.txt with lists of splits, or captions.csv; videos (research use only)."""
    _read("msvd", sources, folder, val, test, keyframes)


@app.command()
def activitynet(
    sources: Sources, folder: Folder, keyframes: Frames = "uniform:28", val: Val = 0.1, test: Test = 0.1
) -> None:
    """Reads ActivityNet Captions, an item a timed sentence: train.json, val_1.json, val_2.json; videos."""
    _read("activitynet", sources, folder, val, test, keyframes)


@app.command()
def aihub(sources: Sources, folder: Folder, keyframes: Frames = "uniform:8", val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads AI-Hub 71849: labels/*.json with Korean descriptions, and videos of their names (own terms of use)."""
    _read("aihub", sources, folder, val, test, keyframes)


@app.command("folder")
def plain(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1, keyframes: Frames = "uniform:28") -> None:
    """Reads a folder of photos or videos, each with a .txt of its name (a caption a line), or a captions.csv."""
    _read("folder", sources, folder, val, test, keyframes)


@app.command("csv")
def table(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1, keyframes: Frames = "uniform:28") -> None:
    """Reads CSV with the columns image (or video), caption and perhaps split; by , ; | or tab; or a token file."""
    _read("csv", sources, folder, val, test, keyframes)


@app.command()
def jsonl(sources: Sources, folder: Folder, val: Val = 0.1, test: Test = 0.1, keyframes: Frames = "uniform:28") -> None:
    """Reads JSON lines with image (or video), caption or captions, and perhaps id, split and span."""
    _read("jsonl", sources, folder, val, test, keyframes)


@app.command()
def text(sources: Sources, folder: Folder, columns: Columns = None, val: Val = 0.1, test: Test = 0.1) -> None:
    """Reads words alone: texts (a sentence a line), columns of CSV, COCO's captions_*.json; .gz too."""
    _read("text", sources, folder, val, test, columns=tuple(columns or ()))


@app.command()
def sft(
    out: Annotated[Path, typer.Argument(help="The file of rows, as sft.jsonl.", show_default=False)],
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Votes of the page; or descriptions: JSON of vdesc, or VideoDescription's files."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="What is true of them: .srt, .vtt, JSON lines of {image, caption}, or a caption table."),
    ] = None,
    captioner: Annotated[str | None, typer.Option(help="Makes the candidates instead, as in clipgpt.")] = None,
    table: Annotated[Path | None, typer.Option("--data", help="The caption table that it works on.")] = None,
    n: Annotated[int, typer.Option("--n", min=2, max=50, help="Candidates of an item.")] = 5,
    observers: Annotated[str, typer.Option(help="Whose evidence is added, as in yolox.")] = "",
    items: Annotated[int, typer.Option(min=0, help="Only so many items of each split; 0: all.")] = 0,
    measure: Annotated[str, typer.Option(help="Sentence model that measures likeness; auto; tokens.")] = "auto",
    language: Annotated[str, typer.Option(help="Of files that do not tell.")] = "ko",
    val: Val = 0.1,
    test: Test = 0.0,
    sets: Annotated[list[str] | None, typer.Option("--set", help="An option, as in clipgpt.beam=8.")] = None,
) -> None:
    """Makes rows that teach a selector: candidates, evidence, and how near each is to what is true."""
    from ..sft_making import Wanted, make

    with _progress() as seen:
        wanted = Wanted(captioner, table, n, observers, items, tuple(sources or ()), truth, language, val, test)
        lines = make(out, wanted, measure, tuple(sets or ()), seen)
    print("\n".join(lines))


@app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="A folder with a table.")],
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="The picture; else sheet.png in the folder.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, val or test; else all.")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many items.")] = 12,
    seed: Annotated[int, typer.Option(help="Another seed, other items.")] = 0,
) -> None:
    """Draws random items with their captions as one picture, and prints the figures of the table."""
    from ..figures import figures
    from ..sheet import draw
    from ..table import read_table

    _print_figures(figures(read_table(folder, split)))
    print(f"wrote {draw(folder, out or folder / 'sheet.png', split, n, seed)}")


def _read(
    name: str, sources: list[Path], folder: Path, val: float = 0.1, test: float = 0.1, keyframes: str = "uniform:28",
    **options: Any,
) -> None:  # fmt: skip
    from functools import partial, update_wrapper

    from .. import readers
    from ..building import Choices, build
    from ..splits import Shares

    reader = getattr(readers, name)
    if options:
        reader = update_wrapper(partial(reader, **options), reader)
    with _progress() as seen:
        report = build(reader, sources, folder, Choices(Shares(val, test), keyframes), seen)
    _print_report(report, folder)


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("reading") as status:
        yield lambda items: status.update(f"{items:,} items")


def _print_report(report: "Report", folder: Path) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    table = _grid("split", "items", "captions")
    for split in report.items:
        table.add_row(split, f"{report.items[split]:,}", f"{report.captions[split]:,}")
    total = (sum(report.items.values()), sum(report.captions.values()))
    table.add_row("all", *(f"{n:,}" for n in total), style="bold")
    console.print(table)
    if report.rejects:
        left_out = _grid("left out", "times", "the first")
        left_out.columns[2].justify = "left"
        for reason, found in report.rejects.items():
            left_out.add_row(reason, f"{found.count:,}", escape(found.examples[0]))
        console.print(left_out)
    for note in report.notes:
        console.print(escape(note))
    console.print(escape(f"wrote {folder / 'captions.jsonl'}; look at it with: vdesc data show {folder}"))


def _print_figures(found: "dict[str, Figures]") -> None:
    from rich.console import Console

    table = _grid("split", "items", "images", "captions", "an item", "words", "a caption", "vocabulary")
    for split, f in found.items():
        each, mean = f"{f.least} to {f.most}", f"{f.shortest} to {f.longest}, {f.words / f.captions:.1f}"
        numbers = (f.items, f.images, f.captions)
        table.add_row(split, *(f"{n:,}" for n in numbers), each, f"{f.words:,}", mean, f"{len(f.vocabulary):,}")
    Console(highlight=False, soft_wrap=True).print(table)


def _grid(first: str, *others: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
