"""`vdesc eval`: measures captions as papers do: those of a captioner on a caption table, or those of a file."""

from pathlib import Path
from typing import Annotated

import typer
from vdesc.errors import SettingsError

app = typer.Typer(
    help="Measures captions: a captioner's on a caption table, or those in a file.", invoke_without_command=True,
    no_args_is_help=True, subcommand_metavar="", context_settings={"allow_interspersed_args": True},
)  # fmt: skip

Captioner = Annotated[
    str | None, typer.Argument(help="A captioner, as in clipgpt or clipgpt:MODEL.", show_default=False)
]
Data = Annotated[Path | None, typer.Option("--data", help="A folder with captions.jsonl, made by `vdesc data`.")]
Split = Annotated[str, typer.Option(help="Of the table: train, val or test.")]
Predictions = Annotated[
    Path | None,
    typer.Option(help="Captions to measure: JSON of texts or lists of texts by id, COCO results, or JSON lines."),
]
References = Annotated[
    Path | None,
    typer.Option(help="What they are measured against: JSON of lists of texts by id, COCO captions, or a table."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for scores.json, predictions.json and the page index.html."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="One option of the captioner, as in beam=5, of a ranker, as in alignment.model=X."),
]
Model = Annotated[str | None, typer.Option(help="The captioner's model; the same as --set model=X.")]
Number = Annotated[int, typer.Option("--n", min=1, max=50, help="Captions asked for; the ranking chooses among them.")]
Rankers = Annotated[
    str | None, typer.Option("--ranker", help="Rankers that judge the candidates, as in alignment; also a figure each.")
]
Tokenizer = Annotated[str, typer.Option(help="auto, ptb (Java), own, words, characters.")]
Language = Annotated[str | None, typer.Option(help="Of the captions, as in ko; by default the captioner's, or en.")]
BertScore = Annotated[
    str | None, typer.Option("--bertscore", help="Adds BERTScore with this model: a folder or a hub id.")
]
Draw = Annotated[bool, typer.Option("--draw", help="Write the captions onto the photos, into OUTPUT/drawn.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Make captions again that an earlier call kept.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.callback()
def _evaluate(
    captioner: Captioner = None, data: Data = None, split: Split = "test", predictions: Predictions = None,
    references: References = None, out: Output = None, sets: Sets = None, model: Model = None, n: Number = 1,
    rankers: Rankers = None, tokenizer: Tokenizer = "auto", language: Language = None, bertscore: BertScore = None,
    draw: Draw = False, device: Device = "auto", fresh: Fresh = False, debug: Debug = False,
) -> None:  # fmt: skip
    """Measures captions: a captioner's on a caption table, or those in a file."""
    from .. import evaluating

    if draw and not out:
        raise SettingsError("--draw needs a folder for the photos: give one with -o")
    chosen = (*(sets or ()), *([f"model={model}"] if model else ()))
    asked = evaluating.Asked(split, chosen, tokenizer, language, bertscore or "", device, out, draw, fresh)
    if captioner and data and not (predictions or references):
        judges = [name.strip() for name in (rankers or "").split(",") if name.strip()]
        evaluating.of_captioner(captioner, judges, data, n, asked)
    elif predictions and references and not (captioner or data):
        evaluating.of_files(predictions, references, asked)
    else:
        raise SettingsError(
            "give a captioner and its data, as in vdesc eval clipgpt --data FOLDER, or --predictions and --references"
        )
