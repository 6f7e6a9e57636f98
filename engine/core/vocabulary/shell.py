"""What was seen in a command among the arguments: whether it is known to be harmless, and if not, why."""

from typing import Literal

from msgspec import Struct

ShellWord = Literal["none", "ok", "unsure", "hit"]
"""`none`: no command among the arguments. `ok`: all of it is on the list of what only reads, or under a
prefix of the project. `hit`: it has a known harmful form. `unsure`: anything else."""
ShellKind = Literal[
    "", "destructive", "exfiltration", "execution", "privilege", "persistence", "secrets", "evasion"
]
"""What a harmful form is about; empty where there is none."""


class ShellSeen(Struct, frozen=True, array_like=True, cache_hash=True, gc=False):
    """What was seen in one command text, or in the worst of several."""

    word: ShellWord
    form: str = ""
    """Which harmful form, or what could not be proven: `remove-tree`, `dynamic-word`."""
    kind: ShellKind = ""
    reason: str = ""
    """A clause for people, such as `it removes folders with everything in them: rm -r src`."""
    argv: tuple[str, ...] = ()
    """The simple command it is about, quotes taken off; empty where it is about the text as a whole."""
    start: int = 0
    end: int = 0
    """Where that stands in the text, in letters; of what stands in a quoted script, where the script
    stands."""
    spelled: str = ""
    """The commands as they would run, one a line, quotes and known variables resolved: patterns search this
    too, so that no spelling hides a command from them. Empty where it is the text itself."""


NOTHING = ShellSeen("none")
