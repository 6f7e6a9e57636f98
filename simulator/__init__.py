"""The simulator: recorded histories replayed through the core, offline, with nothing to break."""
