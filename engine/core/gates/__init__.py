"""Pure checks that contribute to a verdict. Each module owns its settings, its slice of state and its answer."""
