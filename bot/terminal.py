"""The terminal as a front-end: the same language as in chat, with completion, history and live news."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Final, TextIO

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from engine.adapters.message_file import MessageFile
from engine.commands.board import Board
from engine.commands.completing import Completions
from engine.commands.desk import Desk
from engine.commands.following import follow
from engine.commands.hearing import Hearing
from engine.commands.model import Account, Button, Front, Outcome, Reply
from engine.commands.plain import plain
from engine.core.vocabulary.ids import DecisionId
from engine.errors import WatchkeeperError
from engine.runtime import wire
from simulator.plain import printable

_STYLE: Final = Style.from_dict(
    {
        "title": "bold",
        "good": "ansigreen bold",
        "warning": "ansiyellow bold",
        "danger": "ansired bold",
        "buttons": "ansicyan",
        "rule": "ansibrightblack",
    }
)
_WIDEST: Final = 2_000
_LEAVE: Final = frozenset({"exit", "quit", "/exit", "/quit"})
_OPEN_AT_START: Final = 5

Show = Callable[[Reply], None]


class Terminal:
    """One person at one terminal."""

    def __init__(self, desk: Desk, account: Account, *, show: Show) -> None:
        """`show` puts a reply on the screen."""
        self._desk, self._account, self._show = desk, account, show
        self._buttons: tuple[Button, ...] = ()
        self._following: set[asyncio.Task[None]] = set()

    async def say(self, line: str) -> Outcome:
        """Give a line, or press a button of the last answer by its number; show the answer."""
        text = line.strip()
        number, _, reason = text.partition(" ")
        if number.isdecimal() and 1 <= int(number) <= len(self._buttons):
            # What stands behind the number is the reason the button asks for.
            text = f"{self._buttons[int(number) - 1].line} {reason}".rstrip()
        reply = await self._desk.give(text, self._account, secrets.token_hex(8))
        self._buttons = reply.buttons
        self._show(reply)
        if reply.job:
            task = asyncio.create_task(self._follow(reply.job))
            self._following.add(task)
            task.add_done_callback(self._following.discard)
        return reply.outcome

    async def finish(self) -> None:
        """Wait for the replays that were begun here."""
        await asyncio.gather(*self._following)

    async def _follow(self, job: str) -> None:
        last: Reply | None = None
        async for reply in follow(self._desk.tools, job):
            last = reply
        if last is not None:
            self._show(last)


class TerminalPoster:
    """News on the screen of one terminal. A message there is never changed: what changed is shown anew."""

    front: Front = "terminal"
    channel = "here"

    def __init__(self, show: Show) -> None:
        """`show` puts a reply on the screen."""
        self._show = show

    async def post(self, reply: Reply, *, thread: str) -> str:
        """Show it."""
        self._show(reply)
        return secrets.token_hex(4)

    async def edit(self, ref: str, reply: Reply) -> bool:
        """Show what became of it, in a line."""
        self._show(Reply(title=reply.title, tone=reply.tone, fields=reply.fields[-1:], footer=reply.footer))
        return True

    async def open_thread(self, ref: str, name: str) -> str:
        """Return a name: a screen has no threads."""
        return ref


class _Completer(Completer):
    """Completion as prompt_toolkit asks for it."""

    def __init__(self, completions: Completions) -> None:
        self._completions = completions

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> list[Completion]:
        """Offer nothing at once: everything worth offering is looked up."""
        return []

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Offer what fits the last word."""
        line = document.text_before_cursor
        last = "" if line.endswith(" ") else line.rpartition(" ")[2]
        for offered in await self._completions.line(line):
            # A command's name may have two words; it takes the place of all that was typed.
            start = -len(line) if offered.startswith("/") else -len(last)
            yield Completion(offered, start_position=start)


async def chat(desk: Desk, account: Account, *, history: Path) -> None:
    """Talk until the person leaves. Needs a real terminal."""
    completer = _Completer(Completions(desk.tools))
    session: PromptSession[str] = PromptSession(
        "watchkeeper> ", completer=completer, history=FileHistory(str(history)), complete_while_typing=True
    )
    terminal = Terminal(desk, account, show=show)
    async with _news(desk):
        with patch_stdout():
            show(Reply(title="Say /help, or press a button by its number. Ctrl-D leaves."))
            while True:
                try:
                    line = await session.prompt_async()
                except (EOFError, KeyboardInterrupt):
                    return
                if line.strip() in _LEAVE:
                    return
                if line.strip():
                    await terminal.say(line)


async def read_lines(desk: Desk, account: Account, lines: TextIO, *, echo: Callable[[str], None]) -> Outcome:
    """Give every line of a file, one after the other; return the outcome of the first that was not done."""
    first: Outcome = "done"
    terminal = Terminal(desk, account, show=lambda reply: echo(plain(reply)))
    for line in lines:
        if line.strip() and not line.startswith("#"):
            echo(f"> {line.strip()}")
            outcome = await terminal.say(line)
            first = outcome if first == "done" else first
    await terminal.finish()
    return first


@contextlib.asynccontextmanager
async def _news(desk: Desk) -> AsyncIterator[None]:
    """Show what happens while somebody talks, beginning with what waits already."""
    hearing = Hearing(desk.tools.engine)
    messages = MessageFile(None)
    board = Board(desk.tools, hearing, [TerminalPoster(show)], messages)
    with contextlib.suppress(WatchkeeperError):
        waiting = await desk.tools.ask(wire.GetHolds(most=_OPEN_AT_START), wire.HoldList)
        for hold in waiting.holds:
            board.changed(DecisionId(hold.decision_id))
    work = [asyncio.create_task(hearing.run()), asyncio.create_task(board.run())]
    try:
        yield
    finally:
        hearing.close()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        messages.close()


def show(reply: Reply) -> None:
    """Put a reply on the screen. Nothing in it can move the cursor."""
    title, *lines = plain(reply, buttons=False).split("\n")
    parts = [(f"class:{reply.tone}" if reply.tone != "plain" else "class:title", printable(title, _WIDEST))]
    parts += [("", f"\n{printable(line, _WIDEST)}") for line in lines]
    if reply.buttons:
        names = "  ".join(f"{place}: {each.label}" for place, each in enumerate(reply.buttons, 1))
        parts.append(("class:buttons", f"\n{printable(names, _WIDEST)}"))
    print_formatted_text(FormattedText(parts), style=_STYLE, file=sys.stdout)
