"""What runners of programs share: limits and settings, the sandbox, undo of the workspace, and the result."""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from engine.adapters.redaction import Redactor
from engine.adapters.sandbox import to_the_end
from engine.adapters.workspace_undo import save_after, save_before, take_back
from engine.core.vocabulary.actions import Action, Running, SandboxKind
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused, PolicyError, WatchkeeperError
from engine.ports import Ended, Job, Limits, Program, Sandbox

# What is printed with a preview or a change list before it becomes "and 7 more".
_LINES: Final = 20


class ProgramSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an action's `run.settings` may say about any program."""

    undo: Literal["none", "workspace"] = "none"
    """`workspace` keeps the whole workspace before each run and can put back what was changed."""
    undo_mib: int = 64
    """The most a workspace may hold for that."""
    environment: dict[str, str] = {}
    read_only: tuple[str, ...] = ()
    """Further files and folders the program may read, full paths."""
    memory_mib: int | None = None
    """Instead of the service's limit, as are the next four; `None` means that one."""
    pids: int | None = None
    cpus: float | None = None
    output_kib: int | None = None
    disk_mib: int | None = None


_Settings = TypeVar("_Settings", bound=ProgramSettings)
_LIMITS: Final = ("memory_mib", "pids", "cpus", "output_kib", "disk_mib")


class ProgramRunner(Generic[_Settings]):
    """Performs actions by running a program. What the program is, a subclass says."""

    settings_type: type[_Settings]

    def __init__(
        self,
        *,
        choose: Callable[[SandboxKind], Sandbox],
        limits: Limits,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """Name what chooses a sandbox, the limits where an action sets none, and what takes out secrets.

        The wall clock of `limits` is not used: the action's own timeout counts.
        """
        self._choose, self._default, self._redact = choose, limits, redact or Redactor()

    # ------------------------------------------------------------ the port

    def check(self, action: Action) -> None:
        """Check an action's `run.settings`. Raises `PolicyError`."""
        settings = self._settings(action)
        for name in (*_LIMITS, "undo_mib"):
            value = getattr(settings, name)
            if value is not None and value <= 0:
                raise wrong_setting(action, name, "must be above 0")
        for path in settings.read_only:
            if not Path(path).is_absolute():
                raise wrong_setting(action, "read_only", f"{path!r} is not a full path")
        self._check(action, settings)

    async def perform(self, job: Job) -> Result:
        """Keep the workspace if undo needs it, run the program, and say what came of it."""
        began = time.monotonic()
        settings, running = self._settings(job.action), _running(job)
        sandbox = await asyncio.to_thread(self._choose, running.sandbox)
        program = await self._program(job, settings, sandbox, preview=False)
        if settings.undo == "none":
            return self._result(job, settings, await sandbox.run(program, job.watch))
        before = await to_the_end(
            asyncio.to_thread(
                save_before, job.undo, job.effect_id, job.workspace, most_bytes=settings.undo_mib << 20
            )
        )
        left_us = program.limits.wall_us - int((time.monotonic() - began) * 1e6)
        limits = msgspec.structs.replace(program.limits, wall_us=max(1, left_us))
        try:
            ended = await sandbox.run(msgspec.structs.replace(program, limits=limits), job.watch)
        finally:
            changed = await to_the_end(asyncio.to_thread(self._changes, job, before))
        result = self._result(job, settings, ended)
        return msgspec.structs.replace(result, output=_joined(result.output, changed))

    async def undo(self, job: Job, of: EffectId, *, force: bool) -> Result:
        """Put back what a program changed in the workspace, where its action says `undo: workspace`."""
        began = time.monotonic()
        settings = self._settings(job.action)
        if settings.undo == "none":
            raise EffectRefused(
                "what this program did is not known, so it cannot be taken back",
                place=job.action.name,
                cure="say `undo: workspace` in the action's settings, for the next time",
            )
        done = await to_the_end(
            asyncio.to_thread(
                take_back,
                job.undo,
                job.effect_id,
                of,
                job.workspace,
                force=force,
                most_bytes=settings.undo_mib << 20,
                starting=job.watch.starting,
            )
        )
        return Result(
            success=True,
            output=_listed("put back", done, "nothing had to be put back"),
            execution_time_s=time.monotonic() - began,
        )

    async def preview(self, job: Job) -> Result:
        """Say what would run, where, within which limits, and what undo would cover. Nothing is changed."""
        began = time.monotonic()
        settings, running = self._settings(job.action), _running(job)
        state = await asyncio.to_thread(lambda: self._choose(running.sandbox).describe())
        # Without a sandbox nothing would keep a dry run dry, so it is tried in one all the same.
        kind: SandboxKind = "auto" if running.sandbox == "none" else running.sandbox
        sandbox = await asyncio.to_thread(self._choose, kind)
        program = await self._program(job, settings, sandbox, preview=True)
        # What is tried is only tried: it sees the workspace and cannot change it, and there is no network.
        ended = await sandbox.run(
            msgspec.structs.replace(program, read_only_workspace=True, network=()), job.watch
        )
        said, wrong = self._preview(job, ended)
        lines = [
            *said,
            f"in: {state.backend} ({state.why})",
            _limited(program.limits),
            f"network: {', '.join(running.network) or 'none'}",
            f"undo: the workspace, up to {settings.undo_mib} MiB"
            if settings.undo == "workspace"
            else "undo: none",
            *(f"not limited: {what}" for what in state.not_limited),
        ]
        return Result(
            success=not wrong,
            output=self._redact("\n".join(lines)),
            error=self._redact(wrong),
            execution_time_s=time.monotonic() - began,
        )

    # ------------------------------------------------------------ what a subclass says

    @abstractmethod
    def _check(self, action: Action, settings: _Settings) -> None:
        """Check what is this runner's own. Raises `PolicyError`."""

    @abstractmethod
    def _command(
        self, job: Job, settings: _Settings, sandbox: Sandbox, *, preview: bool
    ) -> tuple[tuple[str, ...], bytes, tuple[str, ...]]:
        """Return the command line, what it reads from its input, and what else it must be able to read."""

    @abstractmethod
    def _preview(self, job: Job, ended: Ended) -> tuple[list[str], str]:
        """Return what would happen, a line each, and what is wrong with it; empty when nothing is."""

    def _outcome(self, ended: Ended) -> tuple[bool, str, str]:
        """Return whether it succeeded, its output, and its errors."""
        return ended.why == "exited" and ended.status == 0, ended.output, ended.errors

    def _wall_us(self, job: Job) -> int:
        """Return how long the program may take."""
        return _running(job).timeout_us

    # ------------------------------------------------------------ ours

    def _settings(self, action: Action) -> _Settings:
        settings = action.run.settings if action.run is not None else {}
        try:
            return msgspec.convert(settings, self.settings_type)
        except msgspec.ValidationError as error:
            raise PolicyError(
                str(error), place=f"actions.{action.name}.run.settings", cure="docs/howto/sandbox.md"
            ) from error

    async def _program(self, job: Job, settings: _Settings, sandbox: Sandbox, *, preview: bool) -> Program:
        argv, stdin, shown = self._command(job, settings, sandbox, preview=preview)
        own = {name: getattr(settings, name) for name in _LIMITS if getattr(settings, name) is not None}
        return Program(
            effect_id=job.effect_id,
            argv=argv,
            environment=settings.environment,
            stdin=stdin,
            workspace=job.workspace,
            read_only=tuple(dict.fromkeys(Path(path) for path in (*settings.read_only, *shown))),
            network=_running(job).network,
            limits=msgspec.structs.replace(self._default, wall_us=self._wall_us(job), **own),
        )

    def _changes(self, job: Job, before: dict[str, Any]) -> str:
        """Return what the program changed. When that cannot be found out, all that was kept stays kept."""
        try:
            done = save_after(job.undo, job.effect_id, job.workspace, before)
        except (WatchkeeperError, OSError) as error:
            return f"what it changed could not be listed: {error}; undo needs force"
        return _listed("changed", done, "changed nothing in the workspace")

    def _result(self, job: Job, settings: _Settings, ended: Ended) -> Result:
        success, output, errors = self._outcome(ended)
        if success:
            output = _joined(output, f"[errors]\n{errors}" if errors else "")
            errors = ""
        else:
            errors = _joined(self._reason(job, settings, ended), errors)
        return Result(
            success=success,
            output=self._redact(output),
            error=self._redact(errors),
            execution_time_s=ended.execution_time_s,
        )

    def _reason(self, job: Job, settings: _Settings, ended: Ended) -> str:
        memory = settings.memory_mib or self._default.memory_mib
        if ended.why == "exited":
            return f"it ended with status {ended.status}"
        return {
            "timed out": f"it was ended after {self._wall_us(job) / 1e6:g} s, its limit",
            "out of memory": f"it used more than {memory} MiB of memory, its limit",
            "too much output": f"it did nothing but print, {ended.cut_bytes >> 20} MiB, and was ended",
            "killed": "it was killed from outside",
        }[ended.why]


def _running(job: Job) -> Running:
    if job.action.run is None:
        raise EffectRefused("the agent performs this itself", place=job.action.name, cure="give it a `run`")
    return job.action.run


def wrong_setting(action: Action, key: str, what: str) -> PolicyError:
    """Return the error for one wrong key of an action's settings."""
    return PolicyError(
        what, place=f"actions.{action.name}.run.settings.{key}", cure="see docs/howto/sandbox.md"
    )


def _limited(limits: Limits) -> str:
    return (
        f"limits: {limits.wall_us / 1e6:g} s, {limits.memory_mib} MiB of memory, {limits.pids} processes, "
        f"{limits.cpus:g} cores, {limits.disk_mib} MiB a file, {limits.output_kib} KiB of output"
    )


def _joined(*parts: str) -> str:
    return "\n".join(part.rstrip("\n") for part in parts if part)


def _listed(what: str, lines: list[str], nothing: str) -> str:
    if not lines:
        return f"[{nothing}]"
    more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    return f"[{what}: {'; '.join([*lines[:_LINES], *more])}]"
