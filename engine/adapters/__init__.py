"""Adapters: one outside thing in each file."""
