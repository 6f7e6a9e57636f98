"""The override: kill, resume, undo and preview from the terminal."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from typing import Literal, TypeVar

import click

from engine.core.vocabulary.ids import DecisionId, EffectId, PersonId
from engine.errors import InputError, StorageError, Unreachable, WatchkeeperError
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.layout import Layout
from engine.runtime.stops import scope_of
from watchkeeper.home import home

# The stop is durable already; the engine journals it by itself. Waiting long would only delay the good news.
_TELL_S = 1.0
_UNDO_S = 60.0
# A body that can be heard has ended everything by then, and said so.
_AFAR_S = 1.5
_LOOK_S = 0.02


Answer = TypeVar("Answer", bound=wire.Answer)


def state_folder() -> Layout:
    """Return the state folder's layout."""
    return Layout(home().resolve())


def ask_engine(
    layout: Layout, request: wire.AnyRequest, kind: type[Answer], timeout_s: float = 10.0
) -> Answer:
    """Ask the engine and return its answer, which must be of this kind. Raises as the engine refuses."""
    from engine.runtime.client import ask_once

    answer = asyncio.run(ask_once(layout.socket, request, timeout_s=timeout_s))
    if not isinstance(answer, kind):
        raise Unreachable(
            f"the engine answered {type(answer).__name__}", cure="run engine and commands of one version"
        )
    return answer


def captain(layout: Layout, role: Literal["responder", "captain"] = "captain") -> PersonId:
    """Return the person at this terminal, who must have the role."""
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
    from engine.runtime.client import reachable
    from engine.runtime.processes import supervisor_pid
    from watchkeeper.people import local_name

    layout, stopped, by = state_folder(), scope_of(scope), PersonId(local_name())
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
    try:
        if not asyncio.run(reachable(layout.socket, request, timeout_s=_TELL_S)):
            click.echo("the engine does not answer; it journals the stop when it does")
    except WatchkeeperError as error:
        # Such as a full disk. What is under way on bodies is looked at all the same.
        click.echo(f"the engine journals the stop when it can: {error}")
    try:
        afar = _ended_afar(layout, stop, began)
    except WatchkeeperError as error:
        # The stop stands whatever the journal is like.
        click.echo(f"nobody can say whether bodies have anything under way: {error}")
        afar = False
    if swept.alive or afar:
        raise SystemExit(1)


def _ended_afar(layout: Layout, stop: Stop, began: float) -> bool:
    """Say what becomes of effects on bodies, which no sweep reaches; whether any may still be under way."""
    from engine.adapters.journal_reader import SqliteReader
    from engine.runtime.bodies import body_of
    from engine.runtime.fencing import covering

    if not layout.journal.exists():
        return False
    until, first = time.monotonic() + _AFAR_S, 0
    with SqliteReader(layout.journal) as journal:
        while True:
            held = [task for task in journal.tasks.all() if task.started and body_of(task.worker)]
            left = [task for task in held if covering([stop], task) is not None]
            first = max(first, len(left))
            if not left or time.monotonic() >= until:
                break
            time.sleep(_LOOK_S)
    took_ms = (time.perf_counter() - began) * 1000
    if first > len(left):
        click.echo(f"ended {first - len(left)} on bodies, after {took_ms:.0f} ms")
    for task in left:
        who = body_of(task.worker)
        click.echo(f"not heard of: {task.effect_id} on body {who}. Cut off, it ends when its lease is over")
    return bool(left)


@click.command()
@click.argument("scope", default="all")
@click.option("--reason", required=True, help="Why it is safe to go on.")
def resume(scope: str, reason: str) -> None:
    """Lift one stop. Takes a captain and a running engine."""
    layout = state_folder()
    request = wire.LiftStop(scope=scope_of(scope), by=captain(layout), reason=reason)
    ask_engine(layout, request, wire.Done)
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
    layout = state_folder()
    request = wire.RequestUndo(
        of=EffectId(decision_id), by=captain(layout, "responder"), reason=reason, force=force
    )
    queued = ask_engine(layout, request, wire.Queued)
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
    request = wire.RequestPreview(decision_id=DecisionId(decision_id))
    said = ask_engine(state_folder(), request, wire.Previewed, timeout_s=40.0)
    click.echo(said.result.output.rstrip())
    if not said.result.success:
        raise InputError(f"it would not work: {said.result.error}", place=decision_id)


@click.command("clear-trouble")
@click.argument("trouble")
@click.option("--reason", required=True, help="Why it does not matter.")
def clear_trouble(trouble: str, reason: str) -> None:
    """Say that a trouble, such as clock, does not matter, so that effects start again. Takes a captain."""
    layout = state_folder()
    ask_engine(layout, wire.ClearTrouble(trouble=trouble, by=captain(layout), reason=reason), wire.Done)
    click.echo(f"{trouble}: cleared")
