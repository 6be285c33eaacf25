"""The ranker `match`: judges words by the matcher of a clipgpt model, from the features that captioning has cached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field
from vdesc import Candidate, ModelError, Ranker, Slot

from . import checkpoint
from .shared import WithModel, views

if TYPE_CHECKING:
    import numpy as np


class Match(WithModel, Ranker):
    """Scores how well words fit the picture: the cosine of the two in the matcher's space, cut to 0..1.

    It looks at the picture that the captioner looked at; where both use one model, that was encoded once.
    """

    name = "match"

    class Options(Ranker.Options):
        """The model and how much of it runs at once."""

        model: str = Field(
            "mini", min_length=1, description="A clipgpt model with a matcher: mini, a model folder, or a hub id."
        )
        batch: int = Field(32, ge=1, le=1024, description="How many pictures or sentences are encoded at once.")

    def load(self, device: str) -> None:
        """Reads the model. Raises `ModelError` where it is missing, or has no matcher."""
        from .features import Features

        self.model: Any
        self.model, self.tokenizer = checkpoint.load_model(self.options.model, device)
        if self.model.matcher is None:
            raise ModelError(
                f"match: the model '{self.options.model}' has no matcher: train one (learn=match) or name another"
            )
        self.features = Features(self.model, [self.fingerprint(), "float32", device], self.options.batch)

    def score(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        """One number in 0..1 a candidate; 0 where the slot has no keyframe."""
        import torch

        seen = [slot for slot in slots if slot.keyframes]
        if not seen or not candidates:
            return [0.0] * len(candidates)
        place = {slot.index: i for i, slot in enumerate(seen)}
        texts = list(dict.fromkeys(candidate.text for candidate in candidates))
        said = {text: i for i, text in enumerate(texts)}
        features = self.features.of(
            [picture for slot in seen for picture in views(slot, self.model.pictures)], self.cache
        )
        with torch.inference_mode():
            pictures = self.model.matcher.pictures(features.to(self.model.device))
            fit = (pictures @ self._texts(texts).T).clamp(0, 1).tolist()
        return [fit[place[c.slot]][said[c.text]] if c.slot in place else 0.0 for c in candidates]

    def sentences(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors float32 (texts, width) in the matcher's space."""
        import numpy as np
        import torch

        if not texts:
            return np.zeros((0, 1), np.float32)
        with torch.inference_mode():
            return self._texts(texts).float().cpu().numpy()

    def _texts(self, texts: Sequence[str]) -> Any:
        """Unit vectors, one a text."""
        import torch

        from .matcher import lessons

        rows = lessons(self.tokenizer, texts, self.model.config.text)
        size, matcher = self.options.batch, self.model.matcher
        parts = [matcher.batch(rows[start : start + size]) for start in range(0, len(rows), size)]
        device = self.model.device
        return torch.cat([matcher.texts(tokens.to(device), real.to(device)) for tokens, real in parts])
