"""The ranker: each picture and each text is encoded once, then every candidate is compared with its slot's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field
from vdesc.data import Candidate, Slot
from vdesc.kinds import Ranker

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

WEIGHT = 2.5
"""CLIPScore's stretch of the cosine (Hessel et al. 2021, arXiv 2104.08718)."""


class Alignment(Ranker):
    """Scores how well words fit the picture, with CLIP or SigLIP.

    For CLIP it is CLIPScore, 2.5 times the cosine of text and picture, cut to 0..1; for SigLIP the sigmoid of its own
    logit. A slot of several frames takes the mean over its frames.
    """

    name = "alignment"

    class Options(Ranker.Options):
        """The encoder and how much of it runs at once."""

        model: str = Field("openai/clip-vit-base-patch32", description="A CLIP or SigLIP model: hub id or folder.")
        batch: int = Field(32, ge=1, description="Pictures or texts encoded at once.")

    def load(self, device: str) -> None:
        """Reads the model. Raises `ModelError` where it is not there and cannot be fetched."""
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
        from vdesc.hub import model_folder

        folder = str(model_folder(self.options.model, self.name))
        self.device = device
        self.model = AutoModel.from_pretrained(folder).to(device).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.processor = AutoImageProcessor.from_pretrained(folder)

    def score(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        """One number in 0..1 a candidate."""
        if not candidates:
            return []
        frames = {frame.index: frame for slot in slots for frame in slot.keyframes}
        place = {index: i for i, index in enumerate(frames)}
        shown = {slot.index: [place[frame.index] for frame in slot.keyframes] for slot in slots}
        texts = list(dict.fromkeys(candidate.text for candidate in candidates))
        said = {text: i for i, text in enumerate(texts)}
        fits = self._fit(self._pictures(list(frames.values())), self._texts(texts))
        return [float(fits[shown[c.slot], said[c.text]].mean()) for c in candidates]

    def sentences(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors float32 (texts, width) in the model's space."""
        import numpy as np

        return self._texts(list(texts)).numpy() if texts else np.zeros((0, 1), np.float32)

    def _fit(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """Numbers in 0..1, pictures x texts."""
        cosine = pictures @ texts.T
        if (bias := getattr(self.model, "logit_bias", None)) is not None:  # SigLIP
            return (cosine * self.model.logit_scale.detach().exp() + bias.detach()).sigmoid()
        return (WEIGHT * cosine).clamp(0, 1)

    def _pictures(self, frames: list[Any]) -> Tensor:
        def encode(some: list[Any]) -> Tensor:
            inputs = self.processor(images=[frame.pixels() for frame in some], return_tensors="pt")
            return self.model.get_image_features(pixel_values=inputs["pixel_values"].to(self.device)).pooler_output

        return self._batched(frames, encode)

    def _texts(self, texts: list[str]) -> Tensor:
        longest = self.model.config.text_config.max_position_embeddings
        siglip = getattr(self.model, "logit_bias", None) is not None
        padding = "max_length" if siglip else True  # SigLIP pools the last place, and was trained to read the padding
        names = ("input_ids",) if siglip else ("input_ids", "attention_mask")

        def encode(some: list[str]) -> Tensor:
            inputs = self.tokenizer(some, padding=padding, truncation=True, max_length=longest, return_tensors="pt")
            inputs = {k: v.to(self.device) for k, v in inputs.items() if k in names}
            return self.model.get_text_features(**inputs).pooler_output

        return self._batched(texts, encode)

    def _batched(self, items: list[Any], encode: Any) -> Tensor:
        """L2-normalised rows, one an item."""
        import torch

        size = self.options.batch
        with torch.inference_mode():
            rows = [encode(items[start : start + size]) for start in range(0, len(items), size)]
            return torch.nn.functional.normalize(torch.cat(rows).float(), dim=-1).cpu()
