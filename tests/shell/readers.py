"""The reader of commands as the shipped policy makes it, and one that knows no prefixes."""

from engine.adapters.shell_reader import BashReader
from tests.builders import shipped

SHIPPED = shipped().risk.shell.reader
BARE = BashReader(shells=frozenset({"sh", "bash", "dash"}))
RANK = {"none": 0, "ok": 1, "unsure": 2, "hit": 3}


def word(text, reader=SHIPPED):
    """What it says of a text."""
    return reader.look(text).word
