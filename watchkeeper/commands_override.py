"""The override: kill, resume, undo, preview, promote and demote from the terminal."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from typing import Literal

import click

from engine.core.vocabulary.ids import CapabilityId, CapabilityName, DecisionId, EffectId, PersonId
from engine.errors import InputError, StorageError
from engine.runtime import wire
from engine.runtime.layout import Layout
from engine.runtime.stops import scope_of
from watchkeeper.home import home

# The stop is durable already; the engine journals it by itself. Waiting long would only delay the good news.
_TELL_S = 1.0
_UNDO_S = 60.0


def _layout() -> Layout:
    return Layout(home().resolve())


def _ask(layout: Layout, request: wire.AnyRequest, timeout_s: float = 10.0) -> wire.AnyAnswer:
    from engine.runtime.client import ask_once

    return asyncio.run(ask_once(layout.socket, request, timeout_s=timeout_s))


def _captain(layout: Layout, role: Literal["responder", "captain"] = "captain") -> PersonId:
    from watchkeeper.people import person

    return person(layout, role)


@click.command()
@click.argument("scope", default="all")
@click.option("--reason", default="", help="Why, for those who find it stopped.")
def kill(scope: str, reason: str) -> None:
    """Stop autonomy at once: all, agent:NAME, capability:NAME or action:NAME.

    Needs nothing that runs and no token: whoever can write to the data folder may stop. What is under way is
    ended, what is queued is held. Only a captain resumes.
    """
    from engine.adapters.fence_files import FileFence
    from engine.adapters.sweep import end_all
    from engine.ports import Stop
    from engine.runtime.client import reachable
    from engine.runtime.processes import supervisor_pid
    from watchkeeper.people import local_name

    layout, stopped, by = _layout(), scope_of(scope), PersonId(local_name())
    stop = Stop(scope=stopped, by=by, reason=reason, at_us=time.time_ns() // 1000)
    began, unset = time.perf_counter(), None
    try:
        FileFence(layout.stops).set(stop)
        durable_ms = (time.perf_counter() - began) * 1000
        click.echo(f"stopped {stopped}, durably after {durable_ms:.0f} ms: nothing it covers begins now")
    except StorageError as error:
        # What is under way is ended all the same, and the supervisor, if there is one, ends everything.
        unset = error
        if (supervisor := supervisor_pid(layout)) is not None:
            with suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGUSR1)
    swept = end_all(layout.home, [stop])
    click.echo(f"{swept}, after {(time.perf_counter() - began) * 1000:.0f} ms")
    if unset is not None:
        raise unset
    request = wire.SetStop(scope=stopped, by=by, reason=reason)
    if not asyncio.run(reachable(layout.socket, request, timeout_s=_TELL_S)):
        click.echo("the engine does not answer; it journals the stop when it does")
    if swept.alive:
        raise SystemExit(1)


@click.command()
@click.argument("scope", default="all")
@click.option("--reason", required=True, help="Why it is safe to go on.")
def resume(scope: str, reason: str) -> None:
    """Lift one stop. Takes a captain and a running engine."""
    layout = _layout()
    _ask(layout, wire.LiftStop(scope=scope_of(scope), by=_captain(layout), reason=reason))
    click.echo(f"resumed {scope}")


@click.command()
@click.argument("decision_id")
@click.option("--reason", default="", help="Why.")
@click.option("--force", is_flag=True, help="Even though the world has moved on since.")
@click.option("--wait", "wait_s", default=_UNDO_S, help="Seconds to wait for it.", show_default=True)
def undo(decision_id: str, reason: str, force: bool, wait_s: float) -> None:
    """Take back what was done on a decision. Takes a responder.

    Refused, with the difference, when what it changed was changed again since. An undo has an id of its own
    and can be undone.
    """
    layout = _layout()
    request = wire.RequestUndo(
        of=EffectId(decision_id), by=_captain(layout, "responder"), reason=reason, force=force
    )
    queued = _ask(layout, request)
    if not isinstance(queued, wire.Queued):
        raise InputError(f"the engine answered {type(queued).__name__}")
    end = _end_of(layout, queued.effect_id, wait_s)
    if end is None:
        click.echo(f"{queued.effect_id} waits; `watchkeeper status` says for what")
        raise SystemExit(1)
    if end.status != "done":
        raise InputError(f"not undone, {end.status}: {end.result.error}", place=queued.effect_id)
    click.echo(f"undone: {end.result.output.strip() or decision_id}")
    click.echo(f"to bring it back: watchkeeper undo {queued.effect_id}")


def _end_of(layout: Layout, effect_id: EffectId, wait_s: float):  # type: ignore[no-untyped-def]  # imported late
    from engine.adapters.journal_reader import SqliteReader
    from engine.runtime.outbox import ended

    until = time.monotonic() + wait_s
    with SqliteReader(layout.journal) as journal:
        while (end := ended(journal, effect_id)) is None and time.monotonic() < until:
            time.sleep(0.02)
    return end


@click.command()
@click.argument("decision_id")
def preview(decision_id: str) -> None:
    """Say what a decided proposal would do, and let nothing happen. A dry run."""
    said = _ask(_layout(), wire.RequestPreview(decision_id=DecisionId(decision_id)), timeout_s=40.0)
    if isinstance(said, wire.Previewed):
        click.echo(said.result.output.rstrip())
        if not said.result.success:
            raise InputError(f"it would not work: {said.result.error}", place=decision_id)


@click.command()
@click.argument("capability")
@click.option("--reason", required=True, help="Why it has earned that.")
def promote(capability: str, reason: str) -> None:
    """Let the allowed actions of a capability, NAME@VERSION, be executed. Takes a captain.

    Until then it decides in shadow: everything is logged, nothing is executed.
    """
    if "@" not in capability:
        raise InputError("name the version too", place=capability, cure="such as heal@1")
    layout = _layout()
    _ask(layout, wire.Promote(capability=CapabilityId(capability), by=_captain(layout), reason=reason))
    click.echo(f"{capability} is live: what it is allowed to do is executed from now on")


@click.command()
@click.argument("capability")
@click.option("--reason", required=True, help="Why.")
def demote(capability: str, reason: str) -> None:
    """Put a capability back into shadow. Takes a captain."""
    layout = _layout()
    name = CapabilityName(capability.partition("@")[0])
    _ask(layout, wire.Demote(capability=name, by=_captain(layout), reason=reason))
    click.echo(f"{name} is in shadow: decided and logged, not executed")


@click.command("clear-trouble")
@click.argument("trouble")
@click.option("--reason", required=True, help="Why it does not matter.")
def clear_trouble(trouble: str, reason: str) -> None:
    """Say that a trouble, such as clock, does not matter, so that effects start again. Takes a captain."""
    layout = _layout()
    _ask(layout, wire.ClearTrouble(trouble=trouble, by=_captain(layout), reason=reason))
    click.echo(f"{trouble}: cleared")
