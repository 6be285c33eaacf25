"""Self-critical training: captions that the model itself draws are rewarded by the CIDEr-D that they get.

Rennie et al. 2017 (arXiv 1612.00563), with the mean of a photo's other samples as the baseline (Luo 2020, arXiv
2003.09971).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from vdesc_training.metrics import References, normal

from ..decoding import Decoding, decode
from ..model import ClipGPTModel

END = "</s>"  # counted as a word, or else a caption that breaks off ("a man in a") costs nothing


class SelfCritical:
    """The loss of drawn captions: those that score above their photo's other draws become likelier.

    Args:
        references: people's captions of each photo by its id.
        samples: captions drawn a photo, at least 2.
        temperature: of the policy. Below 1, because what is drawn at 1 from a model that learned with label smoothing
            is far worse than what search finds, and the first thing that it learns then is to be short and vague.
    """

    def __init__(
        self, tokenizer: Any, references: Mapping[str, Sequence[str]], samples: int = 5, temperature: float = 0.5
    ):
        self.tokenizer, self.samples, self.temperature = tokenizer, samples, temperature
        self.references = References({key: [_words(text) for text in texts] for key, texts in references.items()})

    def reward(self, key: str, caption: str) -> float:
        """The CIDEr-D of a caption of the photo `key`, its end counted as a word."""
        return self.references.cider(key, _words(caption))

    def loss(self, logits: Tensor, labels: Tensor, keys: Sequence[str]) -> tuple[Tensor, float]:
        """The loss, and the mean reward of the captions drawn.

        Args:
            logits: of the drawn captions, as the model's `forward` gives them.
            labels: what `draw` gave.
            keys: the id of each photo.
        """
        rewards = torch.tensor(self._rewards(labels, keys), device=labels.device)
        others = (rewards.sum(1, keepdim=True) - rewards) / (self.samples - 1)
        gains = (rewards - others)[..., None].expand_as(labels)[labels != -100]
        surprise = nn.functional.cross_entropy(
            logits.float() / self.temperature, labels[labels != -100], reduction="none"
        )
        return (gains * surprise).mean(), float(rewards.mean())

    def draw(self, model: ClipGPTModel, features: Tensor, seed: int) -> Tensor:
        """Drawn captions as labels (photos, samples, length); the seed decides which.

        Args:
            features: (photos, tokens, width), from `encode`.
        """
        how = Decoding(temperature=self.temperature, no_repeat=0, max_tokens=model.config.max_tokens, seed=seed)
        was = model.training
        model.eval()
        with torch.no_grad(), torch.autocast(features.device.type, enabled=False):  # half precision slows small steps
            tokens = decode(model, model.map(features), how, self.samples)[0].clone()
        model.train(was)
        ends = (tokens == self.tokenizer.eos_token_id).long()
        return tokens.masked_fill(ends.cumsum(-1) - ends > 0, -100)

    def _rewards(self, labels: Tensor, keys: Sequence[str]) -> list[list[float]]:
        rows = labels.masked_fill(labels == -100, self.tokenizer.eos_token_id).tolist()
        return [
            [self.reward(key, text) for text in self.tokenizer.batch_decode(row, skip_special_tokens=True)]
            for key, row in zip(keys, rows, strict=True)
        ]


def _words(caption: str) -> list[str]:
    return [*normal(caption).split(), END]
