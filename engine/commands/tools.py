"""What every command works with: the engine, the journal to look things up in, the fence, and the people."""

from collections.abc import Callable

from engine.commands.directory import Directory
from engine.commands.hearing import Engine
from engine.commands.lookup import Lookup
from engine.commands.standing import Standing, standing_of
from engine.commands.stopping import Stopping
from engine.core.vocabulary.ids import DecisionId
from engine.errors import InputError
from engine.ports import DecisionsReader, Drafts, Fence, Links, Replays, Shelf, StepUp


class Tools(Lookup):
    """The means of the desk. Nothing in here decides who may use them."""

    def __init__(
        self,
        *,
        engine: Engine,
        journal: Callable[[], DecisionsReader],
        looking: Callable[[], DecisionsReader],
        fence: Fence,
        sweep: Callable[[], object],
        links: Links,
        step_up: StepUp,
        replays: Replays,
        shelf: Shelf,
        version: str,
        directory: Callable[[], Directory] = Directory,
        drafts: Drafts | None = None,
    ) -> None:
        """`journal` is for what is found by its key, `looking` for long walks in threads.

        `directory` says who there is; without it, nobody was ever named. `drafts` are changed policies that
        are tried; `None` where nobody makes any.
        """
        super().__init__(engine, journal, looking)
        self.fence, self.links, self.step_up = fence, links, step_up
        self.replays, self.shelf, self.version = replays, shelf, version
        self.drafts = drafts
        self.directory = directory
        self.stopping = Stopping(engine, fence, sweep)

    async def close(self) -> None:
        """Let go of everything."""
        await self.stopping.close()
        self.let_go()

    def standing(self, decision: str) -> Standing:
        """Return where a decision stands. Raises `InputError` when there is none of that id."""
        found = standing_of(self.journal(), DecisionId(decision))
        if found is None:
            raise InputError(f"there is no decision {decision}", cure="/decisions shows the newest")
        return found
