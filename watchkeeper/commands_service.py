"""`watchkeeper up` and its parts: the supervisor, the engine, the front and the workers."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from engine.errors import InputError, WatchkeeperError
from engine.runtime.layout import Layout
from engine.runtime.tied import REFUSED
from watchkeeper import __version__
from watchkeeper.home import CONFIG_VARIABLE, home

# Engine and front write what only we may read. Workers write what agents and people share.
_PRIVATE = 0o077
# A cold start of the front takes a few seconds, on a small machine that is busy a minute.
_LINK_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.2

_config = click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with watchkeeper.yaml, actions.yaml and policies/. [default: $WATCHKEEPER_CONFIG, config in "
    "the data folder, or the shipped one]",
)


@click.command()
@_config
def up(config: Path | None) -> None:
    """Run the service: the engine, the HTTP API and the workers, all looked after. Ctrl-C stops it cleanly.

    A first start on a fresh data folder makes you its captain.
    """
    from engine.wiring.service import check, make_folders, open_service
    from notifiers.pager_process import ladder_channels
    from watchkeeper.home import shown
    from watchkeeper.people import first_captain
    from watchkeeper.supervising import command_of, supervisor_of

    with refusing():
        service = open_service(home(), config)
        policy = check(service, ladder_channels(service))
    make_folders(service)
    layout = service.layout
    if (made := first_captain(layout)) is not None:
        name, token = made
        click.echo(f"{name} is captain; the token for this machine is in {shown(token)}", err=True)
    click.echo(
        f"watchkeeper {__version__}: {len(policy.actions)} actions, policy {policy.policy_hash[:12]}, "
        f"state in {shown(layout.home)}",
        err=True,
    )
    names = ["engine", "front", "pager"]
    chat_of, workers = service.settings.chat, service.settings.workers
    if chat_of.discord.server is not None or chat_of.slack.channel is not None:
        names.append("bots")
    names += [f"worker-{number}" for number in range(1, workers.processes + 1)]
    commands = {name: command_of(name, service.config) for name in names}
    supervisor = supervisor_of(layout, service.config, commands, drain_s=workers.drain_s)
    _offer_console(layout)
    raise SystemExit(supervisor.run())


def _offer_console(layout: Layout) -> None:
    """Have whoever starts us find the console: by a link, where they look at this terminal.

    A link is a key. So it goes to a terminal and never into the log of a service.
    """
    if not sys.stderr.isatty():
        click.echo("the web console: `watchkeeper console` makes a link into it", err=True)
        return
    # The front needs a moment before it listens, and the supervisor needs this thread.
    threading.Thread(target=_print_link, args=(layout,), name="console link", daemon=True).start()


def _print_link(layout: Layout) -> None:
    from bot.http_api.address import read_address
    from engine.adapters.linux_processes import state_of
    from watchkeeper.commands_console import link_for

    end_s = time.monotonic() + _LINK_WITHIN_S
    while time.monotonic() < end_s:
        with suppress(WatchkeeperError):
            address = read_address(layout.address)
            # One that was killed leaves its address behind.
            if address is not None and state_of(address.pid) != "gone":
                link, name, role = link_for(layout, address.url)
                click.echo(f"the web console, for {name}, {role}, once within 15 minutes:\n{link}", err=True)
                return
        time.sleep(_LOOK_EVERY_S)
    click.echo("the web console: `watchkeeper console` makes a link into it once the front listens", err=True)


@contextmanager
def refusing() -> Iterator[None]:
    """Tell the supervisor, and whoever starts that, which refusals starting again does not mend."""
    try:
        yield
    except InputError as refused:
        click.echo(f"watchkeeper: {' '.join(str(refused).split())}", err=True)
        raise SystemExit(REFUSED) from refused


@click.command()
@_config
def engine(config: Path | None) -> None:
    """Run the engine alone. It is the only writer of the journal."""
    from engine.wiring.service import open_service, run_engine
    from notifiers.pager_process import ladder_channels

    os.umask(_PRIVATE)
    with refusing():
        service = open_service(home(), config)
        run_engine(service, version=__version__, channels=ladder_channels(service))


@click.command()
@_config
def front(config: Path | None) -> None:
    """Run the HTTP API alone."""
    from bot.front_process import run_front
    from engine.wiring.service import open_service

    os.umask(_PRIVATE)
    with refusing():
        run_front(open_service(home(), config), version=__version__)


@click.command()
@_config
def bots(config: Path | None) -> None:
    """Run the chat bots alone: Discord and Slack, as watchkeeper.yaml has them."""
    from bot.chat_process import run_bots
    from engine.wiring.service import open_service

    os.umask(_PRIVATE)
    with refusing():
        run_bots(open_service(home(), config), version=__version__)


@click.command()
@_config
def pager(config: Path | None) -> None:
    """Run the pager alone: it sends what wakes people, over the channels that channels.yaml has."""
    from engine.wiring.service import open_service
    from notifiers.pager_process import run_pager

    os.umask(_PRIVATE)
    with refusing():
        run_pager(open_service(home(), config))


@click.command()
@_config
@click.option("--name", default="worker", help="What it is called in leases.", show_default=True)
def worker(config: Path | None, name: str) -> None:
    """Run one worker alone. It leases effects from the engine and performs them."""
    from engine.wiring.service import open_service, run_worker

    with refusing():
        run_worker(open_service(home(), config), name=name)
