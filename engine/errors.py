"""The error tree. The class says what a caller can do; the message says what, to what, and what next.

WatchkeeperError
├── InputError        something handed to us is wrong: mend it and try again
│   ├── PolicyError       a file of the policy folder
│   └── RecordingError    a recording, or a source that should become one
├── StorageError      the machine refuses: free space, fix permissions, try again
├── JournalError      the journal cannot be used as asked
│   ├── ChainBroken       the journal was altered: stop trusting it, keep the file, find out why
│   └── JournalBusy       another process is the writer: let it, or stop it
├── EffectRefused     an effect cannot be performed or taken back as asked: nothing was done
│   ├── Stopped           a stop stands in the way: a captain may lift it
│   └── WorldMovedOn      what it would change is no longer as it was: look at the difference
├── OutcomeUnknown    an effect was begun, and nobody knows whether it was done: look before trying again
├── LeaseLost         somebody else has the effect now: stop, and report nothing
├── Forbidden         whoever asks may not: use another token, or ask whoever may
└── Unreachable       the engine does not answer: see `watchkeeper status`
"""


class WatchkeeperError(Exception):
    """Any failure with a cure. Shown to people as one line, never as a traceback."""

    def __init__(self, message: str, *, place: str | None = None, cure: str | None = None) -> None:
        """Say what happened, where (`place`), and what to do about it (`cure`); each is kept as data."""
        self.message, self.place, self.cure = message, place, cure
        super().__init__(": ".join(filter(None, (place, message))) + (f" ({cure})" if cure else ""))


class InputError(WatchkeeperError):
    """Something handed to us is wrong: mend it and try again."""


class PolicyError(InputError):
    """A policy file is wrong: the place names file and line."""


class RecordingError(InputError):
    """A recording or an imported source is wrong: the place names file and position."""


class StorageError(WatchkeeperError):
    """The machine refuses to store or read: free space or fix permissions, then try again."""


class JournalError(WatchkeeperError):
    """The journal cannot be used as asked."""


class ChainBroken(JournalError):
    """The journal was altered. Stop trusting it, keep the file as evidence, find out why."""


class JournalBusy(JournalError):
    """Another process holds the journal's only write connection."""


class EffectRefused(WatchkeeperError):
    """An effect cannot be performed or taken back as asked. Nothing was done."""


class Stopped(EffectRefused):
    """A stop stands in the way: a captain may lift it."""


class WorldMovedOn(EffectRefused):
    """What it would change is no longer as it was. The message shows the difference."""


class OutcomeUnknown(WatchkeeperError):
    """An effect was begun, and nobody knows whether it was done. Look before trying again."""


class LeaseLost(WatchkeeperError):
    """Somebody else has the effect now. Stop, and report nothing."""


class Forbidden(WatchkeeperError):
    """Whoever asks may not do this."""


class Unreachable(WatchkeeperError):
    """The engine does not answer."""
