"""The ranker: reads every candidate once, looks every slot's evidence up once, and judges the one by the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from vdesc import Candidate, Evidence, Ranker, Slot
from vdesc.files import digest

from .judgement import Judgement, judge
from .lexicon import Lexicon
from .scene import Scene, Watch
from .tables import lexicon, rarities, sections


class Grounding(Ranker):
    """Scores how well words rest on evidence: what was seen, read and heard.

    Naming what evidence supports gains, naming what an observer looked for and did not find loses, and 0.5 is neither:

        score = 1 / (1 + exp(-sum over parts of bound * tanh(part / bound)))

    | part | bound | is the sum of |
    |---|---|---|
    | things | 6 | confidence * ln(1 / share) for each thing named and seen, absence * ln(1 - found) for each named and not seen |
    | counts | 1 | 1/2 where as many were seen as the words say, down to -1/2 where far fewer or more |
    | words | 3 | 2 * confidence for each quote or number that was read or heard, -1 for one that was not; 1/2 * confidence for each other word |
    | signs | 2 | 2 * confidence for a known face's name; confidence for a sound or expression |

    `share` is how many captions in general name the thing, `found` how often a detector finds it where captions name
    it (labels.tsv). "Not seen" needs a detector that knows the label, "not read" needs OCR that looked. Speech supports half as much as text in the picture.
    """  # noqa: E501 - a table's rows are one line each

    name = "grounding"

    class Options(Ranker.Options):
        """What counts, and more words."""

        absence: float = Field(
            1.0, ge=0, le=3, description="How much it counts that a thing was named and not seen; 0 for not at all."
        )
        lexicon: Path | None = Field(
            None, description="A YAML file of more words for labels, laid out as the plugin's lexicon.yaml."
        )

    def load(self, device: str) -> None:
        """Reads the lexicon and the table of labels. Raises `SettingsError` where the person's own cannot be used."""
        self.sections = sections(self.options.lexicon)
        self.rarities = rarities()
        self.lexicons: dict[str, Lexicon] = {}

    def fingerprint(self) -> str:
        """The digest of the person's own lexicon."""
        return digest(self.options.lexicon) if self.options.lexicon else ""

    def score(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        """One number in 0..1 a candidate; 0.5 where no evidence bears on it."""
        return [judgement.score for judgement in self._judged(slots, candidates)]

    def support(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[tuple[Evidence, ...]]:
        """For each candidate the evidence of what it names, in order of time."""
        return [judgement.evidence for judgement in self._judged(slots, candidates)]

    def _judged(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[Judgement]:
        english = self._lexicon("en")
        watch = Watch.over((slot.context for slot in slots), self.rarities, english)
        scenes = {slot.index: Scene.of(slot, english) for slot in slots}
        return [
            judge(lexicon.read(candidate.text), scenes[candidate.slot], watch, self.rarities, self.options.absence)
            for candidate in candidates
            for lexicon in [self._lexicon(candidate.language)]
        ]

    def _lexicon(self, language: str) -> Lexicon:
        if language not in self.lexicons:
            self.lexicons[language] = lexicon(self.sections, language)
        return self.lexicons[language]
