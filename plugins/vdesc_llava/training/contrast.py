"""A contrastive loss that keeps clips apart: each clip's visual tokens must be nearest to its own caption's words."""

import torch
from torch import Tensor
from torch.nn import functional

SCALE = 14.0  # 1 / 0.07, CLIP's first temperature (Radford et al. 2021, arXiv 2103.00020)


def contrast(visual: Tensor, words: Tensor, real: Tensor, same: Tensor) -> Tensor:
    """The symmetric InfoNCE loss of clips and captions, both as their means about the batch's own mean.

    The mean of all clips is taken away because it is what collapse leaves: visual tokens that are alike but large.

    Args:
        visual: (n, tokens, hidden) visual tokens.
        words: (n, length, hidden) word vectors of the captions.
        real: bool (n, length), false on padding.
        same: (n, n) bool, whether two rows show one clip: they are no opposites of each other.
    """
    shown = _told_apart(visual.float().mean(1))
    weight = real.float()[..., None]
    said = _told_apart((words.float() * weight).sum(1) / weight.sum(1).clamp(min=1))
    logits = SCALE * shown @ said.T
    others = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    logits = logits.masked_fill(others, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def _told_apart(means: Tensor) -> Tensor:
    return functional.normalize(means - means.mean(0, keepdim=True), dim=-1, eps=1e-6)
