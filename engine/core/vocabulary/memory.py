"""Memory: what was worked out before, by everything it follows from."""

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """A bounded memory of a pure function's results.

    It changes no result, only how long one takes. Whoever asks owns it: what hangs on a policy is not shared.

    >>> squares = Memory[int](2)
    >>> squares.keep(3, 9)
    >>> squares.find(3), squares.find(4)
    (9, None)
    """

    def __init__(self, most: int) -> None:
        """Remember so many results at most; 0 remembers nothing."""
        self._most, self._known, self._hits = most, dict[Any, T](), 0

    def find(self, sources: Any) -> T | None:
        """Return the result that follows from these, if it is known."""
        found = self._known.get(sources)
        if found is not None:
            self._hits += 1
        return found

    def keep(self, sources: Any, result: T) -> None:
        """Remember a result.

        A full memory drops everything: simpler than choosing, and what is still asked for is soon back. One
        that was filled more often than it helped gives up: a history that never repeats itself shall not pay.
        """
        if len(self._known) >= self._most:
            if self._hits < len(self._known):
                self._most = 0
            self._known.clear()
            self._hits = 0
        if self._most:
            self._known[sources] = result
