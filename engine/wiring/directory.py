"""The directory of the front desk, read from the configuration when it is first needed."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from engine.commands.directory import Directory
from engine.wiring.ladders import read_waking


def directory_of(config: Path) -> Callable[[], Directory]:
    """Return what reads the files once, as the engine does at its start.

    Raises `InputError` and `PolicyError` when it is called and they are wrong; whoever stops everything never
    calls it.
    """

    @cache
    def read() -> Directory:
        found = read_waking(config)
        return Directory(people=found.known.people, schedules=found.known.schedules, settings=found.settings)

    return read
