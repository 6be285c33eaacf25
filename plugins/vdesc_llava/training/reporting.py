"""The report of a run: what its stages logged and said, as one page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from vdesc.files import write_atomic
from vdesc_training.resume import STATE, as_it_ran, checkpoints
from vdesc_training.run_page import Part, Sample, page
from vdesc_training.table import Item

from .recipe import Recipe
from .trainer import SAID

SAMPLES = 12  # items that are shown
REPORT = "report.html"


def write_report(recipe: Recipe, data: Path, items: Sequence[Item], out: Path) -> Path:
    """Writes `report.html`: curves and scores of each stage, and what each stage said last of some validation items.

    Args:
        data: the table's folder.
        items: the validation split.
        out: the run's folder. Raises `OutputError` where it cannot be written.
    """
    parts, last = [], {}
    for number, stage in enumerate(recipe.of_stages, 1):
        folder = out / f"stage-{number}"
        kept = checkpoints(folder)
        history = json.loads((kept[0] / STATE).read_text(encoding="utf-8"))["log_history"] if kept else []
        added = f" (in training, the loss has {stage.align:g} times the contrast added)" if stage.align else ""
        parts.append(Part(f"Stage {number}: {stage.learn}{added}", history))
        if said := sorted((folder / SAID).glob("*.json")):
            last[f"stage {number}"] = json.loads(said[-1].read_text(encoding="utf-8"))
    shown = items[:: max(1, len(items) // SAMPLES)][:SAMPLES]
    samples = [_sample(item, data, last) for item in shown] if last else []
    recipe_text = yaml.safe_dump(as_it_ran(recipe), allow_unicode=True)
    return write_atomic(out / REPORT, page("Training of llava", parts, samples, recipe_text))


def _sample(item: Item, data: Path, last: Mapping[str, Mapping[str, str]]) -> Sample:
    said = {when: texts[item.id] for when, texts in last.items() if item.id in texts}
    return Sample(item.id, [data / name for name in item.images], item.captions, said)
