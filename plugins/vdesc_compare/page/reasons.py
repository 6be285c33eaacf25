"""Why a cue was chosen, as a sentence made of the numbers on its candidates."""

from __future__ import annotations

from vdesc import Candidate, Cue


def reason(cue: Cue) -> str:
    """Why this candidate speaks and not another, and for which slots."""
    chosen, best = cue.chosen, max(cue.runners_up, key=_total, default=None)
    joined = f" Speaks for {len(cue.slots)} slots that say the same." if len(cue.slots) > 1 else ""
    if best is None:
        return "The only candidate." + joined
    if _total(chosen) < _total(best):
        return f"Best of {_count(cue)} without novelty, which favours whatever came first.{joined}"
    lead = f"Highest total of {_count(cue)}: {_total(chosen):.2f} against {_total(best):.2f}"
    return f"{lead}{_edge(chosen, best)}.{joined}"


def _count(cue: Cue) -> str:
    return f"{len(cue.runners_up) + 1} candidates"


def _edge(chosen: Candidate, best: Candidate) -> str:
    """The score in which it leads most."""
    leads = {
        name: value - best.scores[name]
        for name, value in chosen.scores.items()
        if name != "total" and name in best.scores
    }
    name = max(leads, key=lambda name: leads[name], default="")
    if not name or leads[name] < 0.005:
        return "; equal scores keep the captioner's own order" if _total(chosen) == _total(best) else ""
    return f", ahead most in {name} ({chosen.scores[name]:.2f} against {best.scores[name]:.2f})"


def _total(candidate: Candidate) -> float:
    return candidate.scores.get("total", 0.0)
