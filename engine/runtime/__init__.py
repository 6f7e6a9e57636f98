"""The impure part around the core, kept small: it feeds facts in, keeps them, and hands effects out."""
