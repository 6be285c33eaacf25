"""Training llava: a recipe and a caption table in, a model folder that `vdesc run` loads out. Light to import."""

from .teacher import LlavaTrainer

__all__ = ["LlavaTrainer"]
