"""What all runners do alike: read their settings, work in a thread, time it, find an undo record."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from engine.adapters.redaction import redact
from engine.core.vocabulary.actions import Action, Running
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused, OutcomeUnknown, PolicyError, StorageError
from engine.ports import Job

MOST_OUTPUT: Final = 256 << 10
"""How much output a result carries, in signs. It goes into the journal."""
_MARGIN: Final = 8 << 10
_S = TypeVar("_S", bound=Struct)
_T = TypeVar("_T")


class Stopwatch:
    """Makes the result of one effect, with the time since it was made."""

    def __init__(self) -> None:
        """Start it."""
        self._began = time.monotonic()

    def done(self, output: str = "", *, secrets: tuple[str, ...] = ()) -> Result:
        """Make the result of an effect that did what it should."""
        return Result(success=True, output=fit(output, secrets), execution_time_s=self.seconds)

    def failed(self, error: str, output: str = "", *, secrets: tuple[str, ...] = ()) -> Result:
        """Make the result of an effect that did not."""
        return Result(
            success=False,
            output=fit(output, secrets),
            error=fit(error, secrets),
            execution_time_s=self.seconds,
        )

    @property
    def seconds(self) -> float:
        """Seconds since it was made, to the microsecond."""
        return round(time.monotonic() - self._began, 6)


def fit(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Take secrets out of a text that goes into the journal, and leave its two ends if it is too long."""
    # Those that were used here go whatever their length; the longest first, as one may begin another.
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[redacted: known secret]")
    half = MOST_OUTPUT // 2
    if len(text) <= MOST_OUTPUT:
        return redact(text, secrets)
    # What is left out anyway is not searched; but a secret across the cut must be seen whole.
    head = redact(text[: half + _MARGIN], secrets)[:half]
    tail = redact(text[-half - _MARGIN :], secrets)[-half:]
    return f"{head}\n[{len(text) - 2 * half} signs left out]\n{tail}"


class Abandoned(Exception):
    """The one who waited for a thread has left: it stops at the next point where nothing is half done."""


class Patience:
    """Tells a thread whether anybody still waits for it."""

    def __init__(self) -> None:
        """Somebody does."""
        self._over = threading.Event()

    def end(self) -> None:
        """Nobody waits any more."""
        self._over.set()

    def check(self) -> None:
        """Raise `Abandoned` when nobody waits any more. Call it where stopping leaves nothing half done."""
        if self._over.is_set():
            raise Abandoned


async def in_thread(work: Callable[[Patience], _T], *, timeout_s: float) -> _T:
    """Run `work` in a thread, and never return before it has ended: what it touches is at rest afterwards.

    When it is cancelled, or the time is up, the thread is told, and stops before the next thing it would
    begin. Raises `TimeoutError` when it stopped because of that; what it managed to finish all the same is
    returned late.
    """
    patience = Patience()
    task = asyncio.ensure_future(asyncio.to_thread(work, patience))
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        patience.end()
        # A second cancellation must not leave the thread at work alone either.
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        # Asked for, so that nobody is warned of an error that was never looked at.
        task.exception()
        raise
    patience.end()
    try:
        return await task
    except Abandoned:
        raise TimeoutError from None


def timeout_s(job: Job) -> float:
    """Give how long an effect may take, seconds."""
    return running(job.action).timeout_us / 1e6


def out_of_time(job: Job) -> str:
    """Say that the time was up."""
    return f"it took longer than the {timeout_s(job):g} s of run.timeout_s, and nothing was done"


def running(action: Action) -> Running:
    """Give an action's `run`. Raises `PolicyError` when it has none."""
    if action.run is None:
        raise PolicyError("has no `run`, so there is nothing to perform", place=action.name)
    return action.run


def settings_of(action: Action, kind: type[_S]) -> _S:
    """Read an action's `run.settings` as this Struct. Raises `PolicyError` naming the key that is wrong."""
    try:
        return msgspec.convert(running(action).settings, kind, strict=True)
    except msgspec.ValidationError as error:
        raise wrong_settings(action, str(error)) from error


def wrong_settings(action: Action, message: str, cure: str = "see docs/reference/actions.md") -> PolicyError:
    """Make the error for settings that cannot work."""
    return PolicyError(message, place=f"actions: {action.name}: run.settings", cure=cure)


def require_parameters(action: Action, *names: str) -> None:
    """Raise `PolicyError` unless the action declares these parameters, each of them required."""
    for name in names:
        parameter = action.parameters.get(name)
        if parameter is None or not parameter.required or parameter.nullable:
            raise wrong_settings(
                action, f"this operation needs the required parameter {name!r}", cure="add it to `parameters`"
            )


def text_argument(job: Job, name: str) -> str:
    """Give an argument that must be text. Raises `EffectRefused` when it is missing or something else."""
    value = job.args.get(name)
    if not isinstance(value, str):
        raise EffectRefused(f"the argument {name!r} must be text", place=job.action.name)
    return value


def keep(job: Job, record: Mapping[str, Any], blobs: Mapping[str, bytes | Path] | None = None) -> None:
    """Save what undo needs, before anything is touched. Raises `EffectRefused` when it cannot be saved."""
    try:
        job.undo.save(job.effect_id, record, blobs or {})
    except StorageError as error:
        raise EffectRefused(
            f"what undo needs could not be saved, so nothing was done: {error.message}",
            place=error.place,
            cure=error.cure,
        ) from error


def kept(job: Job, of: EffectId, kind: type[_S]) -> _S:
    """Load the undo record of an effect as this Struct.

    Raises `EffectRefused` when there is none, when it is damaged, or when another runner wrote it.
    """
    record = earlier(job, of, kind)
    if record is None:
        raise EffectRefused(
            f"there is no undo record for {of}: it changed nothing, or its record was let go to make room",
            place=job.action.name,
            cure="take it back by hand, or restore a snapshot; `undo.keep` says how many are kept",
        )
    return record


def earlier(job: Job, of: EffectId, kind: type[_S]) -> _S | None:
    """Load the record that an earlier attempt at an effect left, or `None`. Raises as `kept` does."""
    try:
        record = job.undo.load(of)
    except StorageError as error:
        raise EffectRefused(error.message, place=error.place, cure=error.cure) from error
    if record is None:
        return None
    try:
        return msgspec.convert(record, kind, strict=True)
    except msgspec.ValidationError as error:
        raise EffectRefused(
            f"the undo record for {of} is not one that this runner wrote: {error}", place=job.action.name
        ) from error


def unknown(message: str, job: Job) -> OutcomeUnknown:
    """Make the error for an effect of which nobody knows whether it was done."""
    return OutcomeUnknown(message, place=job.action.name, cure="look at what it was to change, then decide")
