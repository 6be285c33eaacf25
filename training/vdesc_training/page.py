"""The page of an evaluation: one HTML file that needs nothing beside it. All that comes from data is escaped."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from .cases import Case
from .evaluation import Evaluation
from .metrics import Figure
from .pictures import middle, thumbnail

EXAMPLES = 12  # of each sort
REFERENCES = 8  # of an example
REJECTS = 200  # that are named
BINS = 20
WIDTH, HEIGHT, FOOT = 300, 120, 18  # of a histogram, in its own units
BLUE, LINE, GREY = "#4a8fb0", "#d9822b", "#8a9097"  # that can be read on light and on dark
CHARTS = ("cider", "bleu4", "meteor", "rouge", "sbert", "bertscore", "length")
HEADLINE = ("cider", "bleu4", "meteor", "rouge", "diversity")


def page(evaluation: Evaluation) -> str:
    """The HTML: figures, what ranking wins, histograms, the best, worst and random examples, rejects."""
    title = escape(str(evaluation.made.get("title", "Captions measured")))
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{len(evaluation.cases):,} items measured, {len(evaluation.rejects):,} left out.</p>",
        _cards(evaluation.figures),
        _section("Figures", _figures(evaluation.figures)),
        _section("What ranking wins", _choices(evaluation.choices)) if evaluation.choices else "",
        _section("How the items spread", _charts(evaluation.figures)),
        *(_section(name, _examples(evaluation, cases)) for name, cases in _chosen(evaluation).items() if cases),
        _section("Left out", _rejects(evaluation.rejects)) if evaluation.rejects else "",
        _section(
            "How this was made", f"<pre>{escape(json.dumps(evaluation.made, ensure_ascii=False, indent=1))}</pre>"
        ),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        "<body>\n" + "\n".join(part for part in parts if part) + "\n</body>\n</html>\n"
    )


def histogram(figure: Figure) -> str:
    """An SVG of how a figure's items spread, from 0 to 1 or to the highest, with a line at their mean; counts get a bar
    for each number."""
    values = list(figure.items.values())
    whole = all(float(value).is_integer() for value in values)
    top = max(1.0, *values) + whole
    bins = min(round(top), WIDTH // 6) if whole else BINS
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int(value / top * bins)))] += 1
    bars = "".join(_bar(i, count / max(counts), top / bins, bins, count) for i, count in enumerate(counts) if count)
    mean = sum(values) / len(values)
    at = (mean + whole / 2) / top * WIDTH
    texts = ((0, "start", "0"), (WIDTH / 2, "middle", f"mean {mean:.3g}"), (WIDTH, "end", f"{top - whole:.3g}"))
    feet = "".join(
        f'<text x="{x}" y="{HEIGHT - 4}" font-size="11" fill="{GREY}" text-anchor="{anchor}">{text}</text>'
        for x, anchor, text in texts
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(figure.label)} of {len(values)} items">'
        f'{bars}<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{HEIGHT - FOOT}" stroke="{LINE}" stroke-width="1.5"/>'
        f"{feet}</svg>"
    )


def _bar(place: int, share: float, width: float, bins: int, count: int) -> str:
    step, height = WIDTH / bins, (HEIGHT - FOOT) * share
    return (
        f'<rect x="{place * step:.1f}" y="{HEIGHT - FOOT - height:.1f}" width="{step - 1:.1f}" height="{height:.1f}" '
        f'fill="{BLUE}"><title>from {place * width:.3g}: {count} items</title></rect>'
    )


def _json(value: Mapping[str, Any]) -> str:
    return escape(json.dumps(value, ensure_ascii=False, indent=1))


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


def _cards(figures: Sequence[Figure]) -> str:
    shown = [figure for name in HEADLINE for figure in figures if figure.name == name and figure.value is not None]
    cards = (f"<div><b>{number(figure.value)}</b><span>{escape(figure.label)}</span></div>" for figure in shown)
    return f'<div class="cards">{"".join(cards)}</div>'


def _figures(figures: Iterable[Figure]) -> str:
    rows = (
        f"<tr><th>{escape(f.label)}</th><td class=n>{number(f.value)}</td><td>{escape(f.how)}</td></tr>"
        for f in figures
    )
    return f"<table>{''.join(rows)}</table>"


def _choices(choices: Mapping[str, Sequence[Figure]]) -> str:
    names = [figure.label for figure in next(iter(choices.values()))]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = (
        f"<tr><th>{escape(choice)}</th>{''.join(f'<td class=n>{number(f.value)}</td>' for f in figures)}</tr>"
        for choice, figures in choices.items()
    )
    note = (
        "first: the captioner's own first; ranked: what the ranking stage chose, which all other figures are of; "
        "oracle: each item's candidate with the best CIDEr-D, the most that ranking could win"
    )
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table><p>{note}</p>"


def _charts(figures: Sequence[Figure]) -> str:
    spread = [f for f in figures if f.items and (f.name in CHARTS or f.name == f.label)]  # rankers have no other label
    charts = (f"<figure>{histogram(f)}<figcaption>{escape(f.label)}</figcaption></figure>" for f in spread)
    return f'<div class="charts">{"".join(charts)}</div>'


def _chosen(evaluation: Evaluation) -> dict[str, Sequence[Case]]:
    """The best and the worst by CIDEr-D, which share none, and random ones."""
    value = evaluation.figure("cider").items
    order = sorted(evaluation.cases, key=lambda case: -value[case.id])
    best = order[: min(EXAMPLES, -(-len(order) // 2))]
    worst = order[len(best) :][-EXAMPLES:][::-1]
    some = random.Random(0).sample(list(evaluation.cases), min(EXAMPLES, len(order)))
    return {"Best": best, "Worst": worst, "Random": some}


def _examples(evaluation: Evaluation, cases: Sequence[Case]) -> str:
    value = evaluation.figure("cider").items
    return f'<div class="examples">{"".join(_example(case, value[case.id]) for case in cases)}</div>'


def _example(case: Case, cider: float) -> str:
    picture = middle(case.pictures)
    source = thumbnail(picture) if picture else ""
    shown = f'<img src="{source}" alt="{escape(case.id)}" loading="lazy">' if source else ""
    said = escape(case.chosen) or "<i>nothing was said</i>"
    others = [text for text in case.candidates if text != case.chosen]
    more = f"<details><summary>{len(others)} other candidates</summary>{_list(others)}</details>" if others else ""
    return (
        f'<article>{shown}<div><p class="said">{said}</p><p class="faint">CIDEr-D {number(cider)}, '
        f"{escape(case.id)}</p>{_list(case.references[:REFERENCES])}{more}</div></article>"
    )


def _rejects(rejects: Mapping[str, str]) -> str:
    more = f"<p>and {len(rejects) - REJECTS} more</p>" if len(rejects) > REJECTS else ""
    return _list(f"{key}: {reason}" for key, reason in list(rejects.items())[:REJECTS]) + more


def _list(texts: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def number(value: float | None) -> str:
    """A figure as people read it: three decimals, counts as they are, a dash where there is none."""
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --paper: #fbfbfa; --card: #fff; --line: #e2e2de; --faint: #6d737a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e6e3; --paper: #17191c; --card: #1f2226; --line: #33373c; --faint: #979da4; } }
body { margin: 0 auto; max-width: 1120px; padding: 24px 20px 60px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 26px; margin: 12px 0 0; } h1 + p { margin: 4px 0 20px; } h2 { font-size: 18px; margin: 36px 0 12px; }
table { border-collapse: collapse; font-size: 14px; } th { text-align: left; font-weight: 600; }
th, td { padding: 5px 18px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.cards { display: flex; flex-wrap: wrap; gap: 12px; }
.cards div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 18px;
  min-width: 110px; } .cards b { display: block; font-size: 26px; font-variant-numeric: tabular-nums; }
.cards span, .faint, figcaption, section > p, h1 + p { color: var(--faint); font-size: 13px; }
.charts, .examples { display: flex; flex-wrap: wrap; gap: 18px; }
figure { margin: 0; width: 260px; } svg { width: 100%; display: block; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; width: 264px; }
article img { width: 100%; height: 210px; object-fit: contain; display: block; background: var(--line); }
article div { padding: 10px 14px 12px; } article p { margin: 0; } .said { font-weight: 600; }
ul { margin: 8px 0 0; padding-left: 18px; font-size: 13.5px; } summary { cursor: pointer; font-size: 13px; }
pre { font-size: 12.5px; white-space: pre-wrap; }
"""
