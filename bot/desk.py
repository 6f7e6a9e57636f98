"""The desk over one state folder, as the front-ends of a process share it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.fence_files import FileFence
from engine.adapters.link_file import LinkFile
from engine.adapters.shelf import WorkspaceShelf
from engine.adapters.sweep import end_all
from engine.adapters.totp_file import TotpFile
from engine.commands.desk import Desk
from engine.commands.tools import Tools
from engine.runtime.client import EngineClient
from engine.wiring.directory import directory_of
from engine.wiring.drafts import PolicyDrafts
from engine.wiring.service import Service
from simulator.bundled import BUNDLED
from simulator.jobs import ReplayJobs


@asynccontextmanager
async def open_desk(service: Service, *, version: str, lasting: bool = False) -> AsyncIterator[Desk]:
    """Open the desk. Everything but the engine's own answers works with the engine dead or spinning.

    With `lasting` replays go on after a restart.
    """
    layout = service.layout
    fence = FileFence(layout.stops)
    journal, looking = Current(layout.journal, DecisionsView), Current(layout.journal, DecisionsView)
    engine = EngineClient(layout.socket)
    drafts = layout.home / "replays" / "drafts"
    replays = ReplayJobs(
        layout.home / "replays" / "asked",
        recordings=layout.home / "recordings",
        bundled=BUNDLED,
        policy=service.config / "policies",
        policies=layout.home / "policies",
        drafts=drafts,
        lasting=lasting,
    )
    desk = Desk(
        Tools(
            engine=engine,
            journal=journal,
            looking=looking,
            fence=fence,
            sweep=lambda: end_all(layout.home, fence.stops()),
            links=LinkFile(layout.links),
            step_up=TotpFile(layout.totp),
            replays=replays,
            shelf=WorkspaceShelf(
                layout.snapshots,
                workspace=service.workspace,
                home=layout.home,
                inflight=layout.inflight,
            ),
            version=version,
            directory=directory_of(service.config),
            drafts=PolicyDrafts(
                drafts, in_force=service.config / "policies", policies=layout.home / "policies"
            ),
        )
    )
    try:
        yield desk
    finally:
        await desk.close()
        replays.close()
        await engine.close()
        journal.close()
        looking.close()
