"""What every chat front-end is to the process that runs it."""

from collections.abc import Sequence
from typing import Protocol

from engine.commands.board import Board, Poster


class ChatFront(Protocol):
    """One bot on one platform. It translates in and renders out; what may be done is the desk's to say."""

    @property
    def posters(self) -> Sequence[Poster]:
        """Its channels for the board."""

    def attach(self, board: Board) -> None:
        """Take the board, to say what was deleted, and to have others told that this front is deaf."""

    async def run(self) -> None:
        """Connect, and serve for ever, through every loss of the connection. End it by cancelling.

        Raises `InputError` for a token that is refused: trying again does not mend it.
        """
