"""Watchkeeper: agents propose, the engine decides, people hold the override."""

__version__ = "0.1.0"
