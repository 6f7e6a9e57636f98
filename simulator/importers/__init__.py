"""Importers: histories of other systems, and our own journal, as recordings."""
