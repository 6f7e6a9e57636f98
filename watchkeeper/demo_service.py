"""The living demo: the real service on a folder of its own, agents that live in it, and a way in."""

import contextlib
import re
import shutil
import sys
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path
from typing import Final

import click

from bot.http_api.address import read_address
from bot.web_console.sessions import Sessions, login_link
from engine.adapters.files import private_folder, storage_errors
from engine.adapters.token_file import TokenFile
from engine.errors import InputError
from engine.runtime.layout import Layout
from engine.runtime.processes import LOCK, only_supervisor
from watchkeeper import after_file
from watchkeeper.home import home, shown
from watchkeeper.people import first_captain, local_name
from watchkeeper.supervising import command_of, supervisor_of

_FOLDER: Final = "demo"
_MARK: Final = "made-by-watchkeeper-demo"
_LOOK_S: Final = 0.02
_DRAIN_S: Final = 5.0
# As `engine.wiring` has it, whose import would take as long as all that is done here.
_SHIPPED: Final = Path(__file__).resolve().parent.parent / "config"

_CHANGES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    # A service that runs already keeps its port.
    "watchkeeper.yaml": (
        (r"port: 8765", "port: 0"),
        (r"processes: 2", "processes: 1"),
        (r"drain_s: 30", "drain_s: 5"),
    ),
    "policies/rollouts.yaml": (
        (r"established: \[\]", "established: [heal@1, deploy@1, code@1, shop@1, crawl@1]"),
    ),
    # Nobody watches for an hour until there is money again.
    "policies/limits.yaml": (
        (r"cost_per_hour(.*\n.*\n.*\n\s+window_s: )3600", r"cost_per_5_minutes\g<1>300"),
    ),
    # What nobody answers is over while one still watches.
    "policies/thresholds.yaml": ((r"hold_s: 86400", "hold_s: 900"),),
    # The console rings; a desktop that shows no notifications would be trouble of its own.
    "ladders.yaml": (
        (r"post: \[console, desktop\]", "post: [console]"),
        (r"routes: \[\]", 'routes: [{capability: "crawl@*", ladder: screens, counts_as: critical}]'),
    ),
}
"""What the demo has otherwise than the shipped configuration: a pattern, and what stands there instead."""


def run_demo(*, seed: int, opens: bool, histories: bool) -> int:
    """Serve until Ctrl-C; return the exit status.

    `opens` opens a browser as soon as there is something to see; `histories` has the bundled week and the
    story replayed meanwhile. Raises `InputError` when the demo's folder is not the demo's, `JournalBusy`
    when another demo runs in it, and `StorageError`.
    """
    layout = Layout((home() / _FOLDER).resolve())
    _clear(home() / _FOLDER, layout)
    config = write_config(layout.home / "config")
    with storage_errors(layout.home):
        layout.stops.mkdir()
        layout.workspace.mkdir()
    first_captain(layout)
    threading.Thread(target=_let_in, args=(layout, opens), daemon=True).start()
    living = [sys.executable, "-m", "watchkeeper.living_process", str(layout.home), str(seed)]
    # The first page takes the engine and the front: two cores have enough to do with these.
    later = [sys.executable, "-P", after_file.__file__, str(layout.address)]
    commands = {name: command_of(name, config) for name in ("engine", "front")}
    commands |= {name: [*later, *command_of(name, config)] for name in ("pager", "worker-1")}
    commands["agents"] = [*later, *living, *(["histories"] if histories else [])]
    return supervisor_of(layout, config, commands, drain_s=_DRAIN_S, logs=layout.home / "logs").run()


def write_config(folder: Path) -> Path:
    """Write the demo's configuration: the shipped one, with `_CHANGES`. Raises `StorageError`."""
    with storage_errors(folder):
        shutil.copytree(_SHIPPED, folder)
        for name, changes in _CHANGES.items():
            path = folder / name
            text = path.read_text()
            for pattern, instead in changes:
                text, count = re.subn(pattern, instead, text)
                if not count:
                    raise InputError(
                        f"the demo finds no {pattern!r} to change", place=name, cure="reinstall Watchkeeper"
                    )
            path.write_text(text)
    return folder


def _clear(named: Path, layout: Layout) -> None:
    """Throw away what the last demo left, and nothing else."""
    mark = layout.home / _MARK
    if named.is_symlink() or (named.exists() and not mark.exists() and not _is_empty(named)):
        raise InputError(
            "is there already, and no demo made it", place=str(shown(named)), cure="move it away"
        )
    private_folder(home())
    private_folder(layout.home)
    with storage_errors(layout.home):
        mark.touch()
        with only_supervisor(layout):
            for path in layout.home.iterdir():
                if path.name in {_MARK, LOCK}:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _let_in(layout: Layout, opens: bool) -> None:
    """Say where the console is as soon as it has something to show."""
    url = _first_page(layout)
    # Whatever token is at hand, it is another folder's.
    link = login_link(url, Sessions(TokenFile(layout.tokens)).invite(local_name(), "captain"))
    click.echo(_TEXT.format(link=link, home=shown(layout.home)))
    if opens:
        webbrowser.open(link)


def _first_page(layout: Layout) -> str:
    """Wait until the console answers with the engine behind it; return its address."""
    # Whatever proxy the environment names, this machine is reached without one.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        # Refused, not there yet, or "the engine does not answer": all of them pass.
        with contextlib.suppress(OSError, InputError):
            address = read_address(layout.address)
            if address is not None:
                with opener.open(f"{address.url}/v1/health", timeout=5):
                    return address.url
        time.sleep(_LOOK_S)


_TEXT: Final = """
  {link}
  The link lets you in once, as captain; another: WATCHKEEPER_HOME={home} watchkeeper console

Five agents work on a small fleet of made-up services, and ask before they act. What to look at, and press:
  Watch      what waits for people. Open one, read why, press Approve or Deny: its agent goes on, or asks
             for less. Hold "Stop everything", and all of them are silent.
  Decisions  what was allowed and done. Undo one: the trouble that it mended is back, too.
  crawler-1  behaves for half a minute. Then it runs into limits and a breaker, and you are woken: press
             "I have it", and say in the command box: kill-autonomous agent:crawler-1
The bell at the top rings when you are woken. The services are files in {home}/workspace/fleet
Ctrl-C ends everything. What happened stays in {home} until the next demo.
"""
