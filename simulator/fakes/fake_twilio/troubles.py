"""What goes wrong with the API when a script wants it to."""

from typing import Literal

from msgspec import Struct

from simulator.fakes.fake_twilio.refusals import Refused
from simulator.fakes.fake_twilio.wire import Reply, Silence

Trouble = Literal["hang", "cut", "trickle", "garble"]


class Spoiled(Struct, frozen=True):
    """How an answer is spoiled, and whether what was asked is done all the same."""

    how: Trouble
    taken: bool


class Troubles:
    """Counts requests, and spoils the next of them."""

    def __init__(self) -> None:
        self._refusing: list[tuple[int, Refused]] = []
        self._spoiling: list[tuple[int, Spoiled]] = []
        self.refused_numbers: dict[str, int] = {}

    def refuse(self, calls: int, refusal: Refused) -> None:
        """Refuse this many of the following requests."""
        self._refusing.append((calls, refusal))

    def spoil(self, calls: int, spoiled: Spoiled) -> None:
        """Spoil the answers to this many of the following requests."""
        self._spoiling.append((calls, spoiled))

    def over(self) -> None:
        """Let everything go right again."""
        self._refusing.clear()
        self._spoiling.clear()
        self.refused_numbers.clear()

    def one_request(self) -> Spoiled | None:
        """Count one; returns how its answer is to be spoiled. Raises `Refused`."""
        if self._refusing:
            left, refusal = self._refusing.pop(0)
            if left > 1:
                self._refusing.insert(0, (left - 1, refusal))
            raise refusal
        if self._spoiling:
            left, spoiled = self._spoiling.pop(0)
            if left > 1:
                self._spoiling.insert(0, (left - 1, spoiled))
            return spoiled
        return None


def spoiled_reply(reply: Reply, how: Trouble) -> Reply | Silence:
    """Spoil an answer."""
    if how == "trickle":
        return Reply(status=reply.status, body=reply.body, headers=reply.headers, piecewise_s=0.05)
    if how == "garble":
        return Reply(status=reply.status, body=reply.body[: len(reply.body) // 2])
    return Silence(how == "cut")
