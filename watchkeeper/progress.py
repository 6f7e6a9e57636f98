"""Progress on standard error: a bar with rate and remaining time, or a line now and then."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_LINE_S = 5.0
_REDRAW_S = 0.1

Advance = Callable[[float, int], None]
"""Takes the share that is done, 0 to 1, and how many items that was."""


@contextmanager
def bar(what: str, unit: str) -> Iterator[Advance]:
    """Show how far a piece of work is. Nothing is shown if it ends before there is anything to say."""
    console = Console(stderr=True)
    began = time.monotonic()

    def rate(count: int) -> str:
        seconds = time.monotonic() - began
        return f"{count:,} {unit}, {count / seconds:,.0f}/s" if seconds > 0 else ""

    if not console.is_terminal:
        yield _lines(console, what, began, rate)
        return
    columns = (
        # Names of files are no markup: `[/b].csv` would end the program.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    # Drawn by hand, without a thread: a process with threads may not fork its workers.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        work, last = progress.add_task(what, total=1.0, rate=""), began

        def advance(share: float, count: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _REDRAW_S:
                last = now
                progress.update(work, completed=share, rate=rate(count), refresh=True)

        yield advance


def _lines(console: Console, what: str, began: float, rate: Callable[[int], str]) -> Advance:
    last = began

    def advance(share: float, count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _LINE_S:
            return
        last = now
        left = f", {(now - began) * (1 - share) / share:,.0f} s left" if share > 0 else ""
        console.print(f"{what}: {share:.0%}, {rate(count)}{left}", highlight=False, markup=False)

    return advance


@contextmanager
def stopped_by_ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C ask for a clean stop, and a second one interrupt at once."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        Console(stderr=True).print("stopping after the facts under way; Ctrl-C again to stop at once")
        stop()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
