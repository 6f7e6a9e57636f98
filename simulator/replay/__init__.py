"""Replay: feed a recording through the core under one policy or two, and keep what was decided."""
