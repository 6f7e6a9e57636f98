"""Fakes of the platforms people talk on, complete enough that their real clients cannot tell."""
