"""Pure checks that contribute to a verdict. Each module owns its settings, its state and its answer."""
