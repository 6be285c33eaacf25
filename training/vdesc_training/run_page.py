"""The page of a training run: one HTML file that needs nothing beside it. All that comes from data is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from .page import BLUE, GREY, LINE, STYLE, number
from .pictures import middle, thumbnail

WIDTH, HEIGHT, FOOT = 640, 180, 18  # of a curve, in its own units
HIDDEN = ("runtime", "samples_per_second", "steps_per_second", "collapsed")


@dataclass(frozen=True, slots=True)
class Part:
    """A stage of a run.

    Args:
        name: as a heading.
        history: what was logged, as transformers' `log_history` has it.
    """

    name: str
    history: Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Sample:
    """A validation item and what was said of it.

    Args:
        pictures: of it.
        references: what people say.
        said: what the model said, by when it did.
    """

    id: str
    pictures: Sequence[Path]
    references: Sequence[str]
    said: Mapping[str, str]


def page(title: str, parts: Sequence[Part], samples: Sequence[Sample], recipe: str) -> str:
    """The HTML: for each stage its loss and rate as curves and its scores by epoch; samples; the recipe."""
    body = [f"<h1>{escape(title)}</h1>", "<p>Curves, scores by epoch, and captions of validation items.</p>"]
    for part in parts:
        body.append(f"<section>\n<h2>{escape(part.name)}</h2>\n{_curves(part)}\n{_scores(part)}\n</section>")
    if samples:
        shown = "".join(_sample(sample) for sample in samples)
        body.append(f'<section>\n<h2>Captions</h2>\n<div class="examples">{shown}</div>\n</section>')
    body.append(f"<section>\n<h2>Recipe</h2>\n<pre>{escape(recipe)}</pre>\n</section>")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}figure {{ width: min(100%, {WIDTH}px); }}\n</style>\n</head>\n<body>\n"
        + "\n".join(body) + "\n</body>\n</html>\n"
    )  # fmt: skip


def curve(label: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """An SVG of lines through (step, value), named, in one frame from 0; "" where there is nothing to draw.

    Args:
        lines: at most two; values that are no numbers are left out.
    """
    lines = {name: [(x, y) for x, y in points if y == y and abs(y) != float("inf")] for name, points in lines.items()}
    points = [point for some in lines.values() for point in some]
    if not points:
        return ""
    right, top = max(x for x, _ in points) or 1, max(y for _, y in points) or 1
    drawn = "".join(
        _line(some, right, top, colour) for some, colour in zip(lines.values(), (BLUE, LINE), strict=False) if some
    )
    names = "".join(
        f'<text x="{WIDTH - 4}" y="{14 + 14 * i}" font-size="11" fill="{colour}" text-anchor="end">'
        f"{escape(name)}</text>"
        for i, (name, colour) in enumerate(zip(lines, (BLUE, LINE), strict=False))
    )
    feet = (
        f'<text x="2" y="12" font-size="11" fill="{GREY}">{top:.3g}</text>'
        f'<text x="2" y="{HEIGHT - 4}" font-size="11" fill="{GREY}">0</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" font-size="11" fill="{GREY}" text-anchor="end">step {right:g}</text>'
    )
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT - FOOT}" y2="{HEIGHT - FOOT}" stroke="{GREY}" stroke-width="0.5"/>'
        f"{drawn}{names}{feet}</svg><figcaption>{escape(label)}</figcaption></figure>"
    )


def _line(points: Sequence[tuple[float, float]], right: float, top: float, colour: str) -> str:
    places = [(x / right * WIDTH, (HEIGHT - FOOT) * (1 - y / top)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places[:1] + places[-1:])
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'


def _curves(part: Part) -> str:
    def points(key: str) -> list[tuple[float, float]]:
        return [(entry["step"], entry[key]) for entry in part.history if key in entry]

    loss = curve("loss of a token", {"training": points("loss"), "validation": points("eval_loss")})
    rate = curve("learning rate", {"": points("learning_rate")})
    return f'<div class="charts">{loss}{rate}</div>'


def _scores(part: Part) -> str:
    rows = [entry for entry in part.history if "eval_loss" in entry]
    if not rows:
        return "<p>Nothing was measured: there are no validation items.</p>"
    names = [key for key in rows[-1] if key.startswith("eval_") and key.removeprefix("eval_") not in HIDDEN]
    head = "".join(f"<th>{escape(name.removeprefix('eval_'))}</th>" for name in names)
    body = "".join(
        f"<tr><th>{row['epoch']:.2f}{' collapsed' if row.get('eval_collapsed') else ''}</th>"
        + "".join(f"<td class=n>{number(row.get(name))}</td>" for name in names) + "</tr>"
        for row in rows
    )  # fmt: skip
    return f"<table><tr><th>epoch</th>{head}</tr>{body}</table>"


def _sample(sample: Sample) -> str:
    picture = middle(sample.pictures)
    source = thumbnail(picture) if picture else ""
    shown = f'<img src="{source}" alt="{escape(sample.id)}" loading="lazy">' if source else ""
    said = "".join(
        f'<p class="faint">{escape(when)}</p><p class="said">{escape(text) or "<i>nothing</i>"}</p>'
        for when, text in sample.said.items()
    )
    references = "".join(f"<li>{escape(text)}</li>" for text in sample.references[:5])
    return f"<article>{shown}<div>{said}<ul>{references}</ul></div></article>"
