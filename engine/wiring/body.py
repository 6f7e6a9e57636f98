"""A body, put together: what performs effects on another machine than the engine's.

Two processes. One performs, and can be killed at any point. The other looks after it, sweeps behind the stops
of this machine, and ends what goes on though its lease is over, whatever has become of the first.
"""

import asyncio
import contextlib
import os
import secrets
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import uvloop
from msgspec import UNSET, Struct, structs

from engine.adapters.announcements import Announcements
from engine.adapters.body_notes import FolderNotes, read_deadlines
from engine.adapters.fence_files import FileFence
from engine.adapters.files import private_folder, storage_errors
from engine.adapters.inflight import InFlight
from engine.adapters.log_lines import clean_logs
from engine.adapters.sandbox_choice import Sandboxes
from engine.adapters.secret_file import read_secret
from engine.adapters.sweep import end_all, end_left_behind
from engine.adapters.undo_log import FolderUndoLog
from engine.adapters.yaml_files import read_yaml
from engine.core.vocabulary.actions import Action, RunnerKind
from engine.core.vocabulary.ids import ActionName, EffectId
from engine.errors import EffectRefused, Forbidden, InputError, Unreachable
from engine.ports import Runner
from engine.runtime import wire
from engine.runtime.apart import Apart
from engine.runtime.body_fence import BodyFence
from engine.runtime.body_line import BodyLine, Self
from engine.runtime.child import Pace
from engine.runtime.executor import Executor
from engine.runtime.layout import Layout
from engine.runtime.pool import Supervisor
from engine.settings.body import BodyFile
from engine.wiring.policies import read_actions
from engine.wiring.service import runners_of, told_to_end

IN_ENVIRONMENT: Final = "WATCHKEEPER_TOKEN"
GUIDE: Final = "docs/howto/body.md"
_MIB: Final = 1 << 20
_TIDY_S: Final = 600.0
_GUARD_S: Final = 0.1
# The hands end what has no lease any more within a blink. Who still has it then does not come to it.
_GRACE_S: Final = 0.5
_LAST_REPORTS_S: Final = 5.0
_MARGIN_S: Final = 10.0


class BodyHome(Struct, frozen=True, kw_only=True):
    """One body on one machine: its folder, and what its owner lets it do."""

    layout: Layout
    settings: BodyFile
    actions: dict[ActionName, Action]
    """What it performs, as its owner has it."""
    token: str

    @property
    def workspace(self) -> Path:
        """The folder its effects work in."""
        return self.layout.home / (self.settings.workspace or self.layout.workspace.name)

    @property
    def notes(self) -> Path:
        """What the engine has not heard the end of."""
        return self.layout.home / "notes"

    def line(self, run: str = "", version: str = "") -> BodyLine:
        """Make the line to its engine."""
        return BodyLine(
            self.settings.engine,
            self.token,
            run=run,
            version=version,
            accepts=tuple(sorted(self.actions)),
            verify=trusting(self.layout, self.settings),
            proxy=self.settings.proxy,
        )


def trusting(layout: Layout, settings: BodyFile) -> ssl.SSLContext | bool:
    """Return which certificates are believed. Raises `InputError` when the file does not do."""
    if settings.authority is None:
        return True
    path = layout.home / settings.authority
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"is no certificate: {error}", place=f"authority: {path}", cure="give a PEM file"
        ) from error


def read_settings(folder: Path, engine: str | None) -> BodyFile:
    """Read `body.yaml`; with `engine` that one is worked for, whatever the file says. Raises `InputError`."""
    path = folder / "body.yaml"
    given = {} if engine is None else {"engine": engine}
    if path.exists():
        document = read_yaml(path)
        settings = document.checked(BodyFile)
        return BodyFile.model_validate(settings.model_dump() | given)
    if engine is None:
        raise InputError("no such file", place=str(path), cure="watchkeeper body init --engine URL")
    return checked_engine(engine)


def checked_engine(engine: str) -> BodyFile:
    """Return what a body is without a file, but for the engine. Raises `InputError` for a wrong address."""
    try:
        return BodyFile.model_validate({"engine": engine})
    except ValueError as wrong:
        raise InputError(
            f"{engine!r} is no address that can be used: give https://HOST, or one of this machine",
            place="--engine",
            cure="http is for this machine alone: everybody on the way could take the token",
        ) from wrong


def token_of(layout: Layout) -> str:
    """Return the token: of the environment, or of the folder. Raises `InputError` when there is none."""
    if given := os.environ.get(IN_ENVIRONMENT, "").strip():
        return given
    return read_secret(layout.own_token, guide=f"watchkeeper token create --body NAME, and {GUIDE}")


def open_body(folder: Path, engine: str | None = None) -> BodyHome:
    """Read everything a body goes by. Raises `InputError` naming the file, the line and the cure."""
    layout = Layout(folder.resolve())
    settings = read_settings(layout.home, engine)
    path = layout.home / "actions.yaml"
    if not path.exists():
        raise InputError(
            "no such file, so nothing may be done here: what a body performs is for its owner to say",
            place=str(path),
            cure="watchkeeper body init --engine URL, or write it in the form of the engine's actions.yaml",
        )
    actions = read_actions(path)
    body = BodyHome(layout=layout, settings=settings, actions=actions, token=token_of(layout))
    sandboxes = _sandboxes(body)
    try:
        runners = _runners(body, sandboxes)
        for action in actions.values():
            if action.run is None:
                raise InputError("has no `run`: it says nothing of how it is done", place=action.name)
            runners[action.run.runner].check(action)
    finally:
        sandboxes.close()
    return body


def _sandboxes(body: BodyHome) -> Sandboxes:
    return Sandboxes(home=body.layout.home, image=body.settings.sandbox.image)


def _runners(body: BodyHome, sandboxes: Sandboxes) -> dict[RunnerKind, Runner]:
    return runners_of(body.layout, body.settings.sandbox, body.settings.protected_branches, sandboxes)


def make_folders(body: BodyHome) -> None:
    """Make the folder of a body and its workspace where they are missing. Raises `StorageError`."""
    layout = body.layout
    for folder in (layout.home, layout.inflight, layout.undo, body.notes):
        private_folder(folder)
    for folder in (layout.stops, body.workspace):
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)


def own_action(actions: Mapping[ActionName, Action], effect: wire.LeasedEffect) -> Action:
    """Return an action as the body's owner has it.

    Raises `EffectRefused` when it is not on the list, or the engine means something else by it: then nobody
    here has agreed to what was decided there.
    """
    wanted, own = effect.action, actions.get(effect.action.name)
    if own is None:
        raise EffectRefused(
            f"{wanted.name} is not on the list of this body",
            cure="its owner may put it into actions.yaml of the body, or the registry have it done elsewhere",
        )
    if _how(own) != _how(wanted):
        raise EffectRefused(
            f"the engine has another {wanted.name} than this body: how it is done, or what it takes, differs",
            cure="compare both actions.yaml; watchkeeper body init shows what the engine has",
        )
    return own


def _how(action: Action) -> tuple[Any, ...]:
    """What of an action says how it is done. Where, in which order and what becomes of it is the engine's."""
    run = action.run
    if run is not None:
        run = structs.replace(run, on=UNSET, priority=0, idempotent=False, undo_on_failure=False)
    return action.kind, action.parameters, run


def asleep_too() -> float:
    """Return seconds of a steady clock that goes on while the machine sleeps: leases do, over there."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# ---------------------------------------------------------------- the process that performs


def run_hands(body: BodyHome, *, version: str) -> None:
    """Perform effects until SIGTERM. Raises when it cannot start."""
    clean_logs()
    make_folders(body)
    # Whoever was here before may have left something behind. It ends before anything is said of it.
    end_left_behind(body.layout.home)
    sandboxes = _sandboxes(body)
    try:
        uvloop.run(_hands(body, _runners(body, sandboxes), version))
    finally:
        sandboxes.close()


async def _hands(body: BodyHome, runners: dict[RunnerKind, Runner], version: str) -> None:
    layout, run = body.layout, secrets.token_hex(8)
    line, own_fence = body.line(run, version), FileFence(layout.stops)
    fence, inflight, undo = (
        BodyFence(own_fence, asleep_too),
        InFlight(layout.inflight),
        FolderUndoLog(layout.undo),
    )
    executor = Executor(
        line,
        runners,
        fence,
        undo,
        worker=run,
        slots=body.settings.slots,
        lease_s=1.0,
        workspace=body.workspace,
        watching=lambda task: inflight.watching(fence, task),
        apart=Apart(
            notes=FolderNotes(body.notes),
            own=lambda effect: own_action(body.actions, effect),
            stops=fence.own_stops,
            now_s=asleep_too,
        ),
    )

    def hear(stops: tuple[Any, ...]) -> None:
        fence.hear(stops)
        if stops:
            executor.look()

    end = asyncio.Event()
    with told_to_end(end):
        works = [
            asyncio.create_task(executor.run()),
            asyncio.create_task(line.listen(hear)),
            asyncio.create_task(_tidy(body, undo)),
        ]
        ending = asyncio.create_task(end.wait())
        await asyncio.wait([*works, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        executor.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(works[0], body.settings.drain_s + _LAST_REPORTS_S)
        for work in works:
            work.cancel()
        ends = await asyncio.gather(*works, return_exceptions=True)
    await line.close()
    for bug in ends:
        if isinstance(bug, Exception):
            raise bug


async def _tidy(body: BodyHome, undo: FolderUndoLog) -> None:
    """Let the oldest undo records go, now and then."""
    section = body.settings.undo
    while True:
        in_use = {entry.effect_id for entry in InFlight(body.layout.inflight).all()}
        most_bytes = section.most_mib * _MIB
        await asyncio.to_thread(undo.trim, keep=section.keep, most_bytes=most_bytes, in_use=in_use)
        await asyncio.sleep(_TIDY_S)


# ---------------------------------------------------------------- the process that looks after it


def supervise(body: BodyHome, hands: list[str]) -> int:
    """Run the hands, whose command line this is, until told to stop; return the exit status."""
    layout = body.layout
    make_folders(body)
    _in_background(lambda: guard_leases(body))
    supervisor = Supervisor(
        layout,
        {"worker-1": hands},
        fence=FileFence(layout.stops),
        sweep=lambda stops: end_all(layout.home, stops),
        end_left_behind=lambda: end_left_behind(layout.home),
        announcer=Announcements(layout.announcements, screen=sys.stderr),
        # The hands keep their own time; ours only catches those that do not come to their end.
        pace=Pace(drain_s=body.settings.drain_s + _MARGIN_S),
    )
    return supervisor.run()


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="leases", daemon=True).start()


def guard_leases(body: BodyHome) -> None:
    """End whatever goes on though its lease is over, for ever: the hands may stand still and see nothing."""
    inflight = InFlight(body.layout.inflight)
    while True:
        time.sleep(_GUARD_S)
        over = [name for name, until in read_deadlines(body.notes).items() if asleep_too() > until + _GRACE_S]
        if not over:
            continue
        under_way = {record.effect_id for record in inflight.all()}
        for effect_id in under_way.intersection(over):
            end_left_behind(body.layout.home, EffectId(effect_id))


# ---------------------------------------------------------------- setting one up


def ask_oneself(layout: Layout, settings: BodyFile, token: str) -> Self:
    """Ask the engine who a token speaks for, and what it has for that body.

    Raises `InputError` when the token does not do, and `Unreachable`.
    """

    async def ask() -> Self:
        verify = trusting(layout, settings)
        line = BodyLine(settings.engine, token, run="init", verify=verify, proxy=settings.proxy)
        try:
            return await line.oneself()
        finally:
            await line.close()

    try:
        return asyncio.run(ask())
    except Forbidden as refused:
        cure = "watchkeeper token create --body NAME, where the engine is"
        raise InputError(refused.message, place=settings.engine, cure=cure) from refused


def check_line(body: BodyHome) -> Self | None:
    """Ask who we are before anything starts; `None` when nobody answers, who may yet. Raises `InputError`."""
    try:
        return ask_oneself(body.layout, body.settings, body.token)
    except Unreachable:
        return None
