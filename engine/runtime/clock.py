"""The clock: a time that never jumps, and a watch on the one that may.

Limits and holds count seconds. A machine's clock that is set forward would empty every window at once, one
set back would freeze them. So time is counted from a steady clock that no one can set, and the other is only
compared with it.
"""

import time
from collections.abc import Callable
from typing import Final

_US: Final = 1_000


def _wall_us() -> int:
    return time.time_ns() // _US


def _steady_us() -> int:
    # Unlike CLOCK_MONOTONIC it goes on while the machine sleeps.
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _US


class SteadyClock:
    """Microseconds since 1970, counted on from when it was made."""

    def __init__(
        self, wall_us: Callable[[], int] = _wall_us, steady_us: Callable[[], int] = _steady_us
    ) -> None:
        """Begin at what the machine's clock says now."""
        self._wall, self._steady = wall_us, steady_us
        self._offset = wall_us() - steady_us()
        self._ahead = 0

    def now_us(self) -> int:
        """Return the time."""
        return self._steady() + self._offset

    def drift_us(self) -> int:
        """Say how far the machine's clock is ahead of where it was accepted; negative when it is behind."""
        return self._wall() + self._ahead - self.now_us()

    def follow(self) -> None:
        """Take over the step the machine's clock has made."""
        self._offset += self.drift_us()

    def not_before(self, at_us: int) -> None:
        """Count on from `at_us` where it is not that late yet: from the journal's newest, after a restart.

        Else whatever waits for its time would wait until a clock that was set back is there again. It is
        drift all the same, so people are told.
        """
        self._offset += max(0, at_us - self.now_us())

    def accept(self, at_least_us: int) -> int:
        """Take over what the machine's clock says now, or count on from `at_least_us` where that is later.

        Returns by how much the time moved.
        """
        before_us = self.now_us()
        self._ahead = max(0, at_least_us - self._wall())
        self.follow()
        return self.now_us() - before_us
