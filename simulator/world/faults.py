"""Faults: what goes wrong between a made-up world and the engine. Data only."""

from typing import Final, Literal

from msgspec import Struct

from engine.core.vocabulary.units import HOUR_US


class Faults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of episodes, 0 to 1, that something happens to on the way; and moments after a story's start."""

    lost: float = 0.0
    """Their outcome never comes."""
    late: float = 0.0
    """It comes late."""
    late_us: int = 3 * HOUR_US
    duplicated: float = 0.0
    """It comes twice."""
    wrong: float = 0.0
    """It says the opposite of what happened."""
    mislabelled: float = 0.0
    """It names the other side as the one that acted."""
    swapped: float = 0.0
    """The other side acts, whatever the verdicts say."""
    on: Literal["both", "candidate", "others"] = "both"
    """In whose hands an episode must be for its outcome to be lost, late, duplicated or wrong."""
    jumps: tuple[tuple[int, int], ...] = ()
    """`(when, how far)`: from then on the world's clock is wrong by so much more, forward or back."""
    bursts: tuple[tuple[int, int], ...] = ()
    """`(when, how many)`: so many incidents of each line of work at once."""
    crashes: tuple[int, ...] = ()
    """The engine dies right after it took this many facts, with all that was not in the journal yet."""


NONE: Final = Faults()
