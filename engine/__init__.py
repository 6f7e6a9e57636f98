"""The engine: a pure core that decides, and the adapters that let it remember."""
