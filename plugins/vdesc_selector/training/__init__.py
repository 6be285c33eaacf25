"""Training a selector; only `recipe` is light to import."""
