"""Slack's way of saying no."""

from typing import Any


class Refused(Exception):
    """A call that Slack answers with `ok: false`."""

    def __init__(self, error: str, *, problem: str = "", **more: Any) -> None:
        super().__init__(error)
        self.error = error
        """Slack's word."""
        self.problem = problem
        """What of the request breaks a rule, for `problems()`; empty where only circumstances were wrong."""
        self.more = more
        """What stands beside the error in the answer, such as `needed`."""
