"""The made-up world: one seed decides everything in it."""
