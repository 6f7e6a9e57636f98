"""What looks through everything on its way into the journal."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Struct

from engine.core.vocabulary.fact import Fact

_Told = TypeVar("_Told", bound=Struct)


class Scrubber(Protocol):
    """Takes out of facts what must not be kept in clear. One serves many threads."""

    def scrub(self, key: str, fact: Fact) -> tuple[str, Fact] | Callable[[], tuple[str, Fact]]:
        """Return the key and the fact as they may be journaled; where that takes long, what gives them.

        Call that on a thread. Raises `InputError` when the fact cannot be taken, and says why.
        """
        ...

    def without_secrets(self, told: _Told) -> _Told:
        """Return anything with the secrets taken out of all its texts, names too."""
        ...
