"""Run: one hook call, from standard input to an answer, within its time and whatever goes wrong.

What an agent is told is an answer in its own words, with status 0, or status 2 with a reason on standard
error, which every one of them takes for a refusal. There is no third way out: any other status, an answer
that is half written, and silence where a word is needed would let the call run.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec

from bot.hooks.asking import Engine
from bot.hooks.calls import Contract, Ruling, ToolCall
from bot.hooks.deciding import after, before
from bot.hooks.kept import Kept
from bot.hooks.tables import config_of, read_table
from engine.core.plain_text import shortened
from engine.core.tool_calls import Table
from engine.errors import InputError, WatchkeeperError
from engine.runtime.layout import Layout

BLOCKED: Final = 2
_TOLD: Final = 1
"""After a call nothing can be blocked any more: this status has the agent show what went wrong, no more."""
_MOST_BYTES: Final = 1 << 20
_MOST_AFTER_BYTES: Final = 16 << 20
"""What a tool printed comes along after a call, and is not kept."""
_CHUNK: Final = 1 << 16
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_MARGIN_S: Final = 1.0
"""How much earlier than the alarm asking gives up, so that it can say why."""
_BEFORE_READ_S: Final = 20.0
"""Until the table says how long."""


def run(agent: str, home: Path, config: Path | None) -> int:
    """Answer one call of a hook and return the exit status. Never raises.

    The alarm ends the process by itself where Python can still run; what stands in C for longer is ended by
    the `timeout` around it, and the shell around that says that it is blocked.
    """
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, _BEFORE_READ_S)
    call: ToolCall | None = None
    try:
        contract, kept, folder = contract_of(agent), Kept(home), config_of(home, config)
        table = read_table(folder, kept.table, agent)
        signal.setitimer(signal.ITIMER_REAL, max(table.deadline_s - (time.monotonic() - began), 0.001))
        call = contract.read(_object(_read_all()))
        patience_s = max(table.deadline_s - _MARGIN_S - (time.monotonic() - began), 0.1)
        engine = engine_for(agent, table, kept, folder, patience_s)
        return _say(contract.answer(call, _ruled(agent, table, call, engine, kept)))
    except BaseException as wrong:  # noqa: BLE001 - whatever it is, the call must not run because of it
        return _refuse(_in_words(wrong), after=call is not None and call.after)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _ruled(agent: str, table: Table, call: ToolCall, engine: Engine, kept: Kept) -> Ruling:
    try:
        if not call.after:
            return before(agent, table, call, engine, kept)
        after(agent, call, engine, kept)
        return _NOTHING
    finally:
        engine.close()


def engine_for(agent: str, table: Table, kept: Kept, config: Path, patience_s: float) -> Engine:
    """Reach whoever decides: the service that runs, else an engine of our own. Raises any error of ours."""
    home, token = kept.folder.parent, kept.token(agent)
    if Layout(home).address.exists():
        from bot.hooks.service import running

        service = running(home, token, patience_s)
        if service is not None:
            return service
    from bot.hooks.own_engine import OwnEngine

    return OwnEngine(home, config, token, table.rules, patience_s)


def contract_of(agent: str) -> Contract:
    """Return how an agent's hook talks. Raises `InputError` for one that is not known."""
    # One of four, each in a file of its own, and only one is needed.
    if agent == "claude":
        from bot.hooks.claude import Claude

        return Claude()
    if agent == "codex":
        from bot.hooks.codex import Codex

        return Codex()
    if agent == "cursor":
        from bot.hooks.cursor import Cursor

        return Cursor()
    if agent == "gemini":
        from bot.hooks.gemini import Gemini

        return Gemini()
    raise InputError(f"no hook for {agent[:60]!r}", cure="claude, codex, cursor or gemini")


# ---------------------------------------------------------------- in and out


def _read_all() -> bytes:
    """Read everything, to the end: an agent that cannot get rid of its question lets the call run.

    Raises `InputError` for more than is kept; the rest is read all the same, and dropped.
    """
    chunks: list[bytes] = []
    size = 0
    while chunk := os.read(_STDIN, _CHUNK):
        size += len(chunk)
        if size <= _MOST_AFTER_BYTES:
            chunks.append(chunk)
    if size > _MOST_AFTER_BYTES:
        raise InputError(f"the call is {size:,} bytes long, over {_MOST_AFTER_BYTES:,}", cure=_SMALLER)
    return b"".join(chunks)


_SMALLER: Final = "write large files in parts"
_NO_GUESS: Final = "nothing runs on a guess"


def _object(body: bytes) -> dict[str, Any]:
    """Read the question. Raises `InputError` for what is none."""
    if not body.strip():
        raise InputError("the agent said nothing on standard input", cure="it calls the hook, not you?")
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InputError(f"what the agent said is not JSON: {wrong}", cure=_NO_GUESS) from wrong
    if not isinstance(said, dict):
        raise InputError("what the agent said is not an object", cure=_NO_GUESS)
    ran = str(said.get("hook_event_name", "")).lower().startswith(("post", "after"))
    if len(body) > _MOST_BYTES and not ran:
        raise InputError(f"the call is {len(body):,} bytes long, over {_MOST_BYTES:,}", cure=_SMALLER)
    return said


def _say(answer: dict[str, Any] | None) -> int:
    """Write an answer, whole. Raises `OSError` when it cannot be."""
    left = msgspec.json.encode(answer) + b"\n" if answer is not None else b""
    while left:
        left = left[os.write(_STDOUT, left) :]
    return 0


def _refuse(reason: str, *, after: bool = False) -> int:
    """Say why on standard error; return the status that blocks, or after a call the one that only tells."""
    line = f"watchkeeper: {'not reported' if after else 'blocked'}: {reason}\n"
    # Whoever closed it hears nothing; the status is still the one that blocks.
    with contextlib.suppress(OSError):
        os.write(_STDERR, line.encode(errors="replace"))
    return _TOLD if after else BLOCKED


def _in_words(wrong: BaseException) -> str:
    if isinstance(wrong, WatchkeeperError):
        return shortened(str(wrong), 1500)
    return shortened(f"the hook failed with {type(wrong).__name__}: {wrong}", 500)


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    """End the process at its deadline, whatever it was doing."""
    os._exit(_refuse("no decision within the hook's time (deadline_s of hooks.yaml)"))


_NOTHING: Final = Ruling(kind="own", reason="")


def main(arguments: list[str]) -> int:
    """Read the command line of `watchkeeper hook AGENT` and answer. Never raises."""
    try:
        agent, home, config = _read_arguments(arguments)
    except BaseException as wrong:  # noqa: BLE001 - as in `run`
        return _refuse(_in_words(wrong))
    return run(agent, home, config)


def _read_arguments(arguments: list[str]) -> tuple[str, Path, Path | None]:
    agent, *rest = arguments
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    home = options.pop("--home", None) or os.environ.get("WATCHKEEPER_HOME") or ".watchkeeper"
    config = options.pop("--config", None) or os.environ.get("WATCHKEEPER_CONFIG")
    if options:
        raise InputError(f"unknown option {next(iter(options))!r}", cure="--home FOLDER, --config FOLDER")
    return agent, Path(home).resolve(), Path(config).resolve() if config else None
