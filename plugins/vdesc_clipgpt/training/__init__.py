"""Training clipgpt: a recipe and a caption table in, a model folder that `vdesc run` loads out."""
