"""`vdesc convert`: a checkpoint of another program becomes a model folder. Light to import."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(subcommand_metavar="")


@app.callback(invoke_without_command=True, context_settings={"allow_interspersed_args": True})
def convert(
    file: Annotated[Path, typer.Argument(help="A file of clip-gpt-captioning, ClipCap or NYU's CLIPVideoCap.")],
    out: Annotated[Path, typer.Argument(help="The model folder that is made.")],
    mapper: Annotated[str | None, typer.Option(help="What NYU's mapper is: concat or cross.")] = None,
    normalize: Annotated[bool | None, typer.Option(help="Whether features are normalised before the mapper.")] = None,
    encoder: Annotated[str | None, typer.Option(help="The CLIP model of its features: folder or hub id.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Where GPT-2's tokenizer is: folder or hub id.")] = None,
    frames: Annotated[int | None, typer.Option(help="How many frames NYU's mapper reads; else 28.")] = None,
    head: Annotated[int | None, typer.Option(help="The width of an attention head; else 64.")] = None,
) -> None:
    """Turns a checkpoint of another program into a model folder, and says what it was.

    What the file does not say of itself is given here, or in a YAML file beside it (model.yaml for model.pt).
    """
    from .foreign import convert as run
    from .foreign.facts import beside, facts

    given = dict(mapper=mapper, normalize=normalize, encoder=encoder, tokenizer=tokenizer, frames=frames, head=head)
    said = {name: value for name, value in given.items() if value is not None}
    found = run(file, out, facts(beside(file).model_dump(exclude_unset=True) | said, "vdesc convert"))
    for line in found.lines():
        print(line)
    print(f"wrote {out}; use it with --set clipgpt.model={out}")
