"""`watchkeeper up` and its parts: the supervisor, the engine, the front and the workers."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from engine.errors import InputError
from engine.runtime.tied import REFUSED
from watchkeeper import __version__
from watchkeeper.home import CONFIG_VARIABLE, home

# Longer than a worker waits, past its own time, for its last reports to be taken.
_MARGIN_S = 10.0
# Engine and front write what only we may read. Workers write what agents and people share.
_PRIVATE = 0o077

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
    from engine.adapters.fence_files import FileFence
    from engine.adapters.sweep import end_all, end_left_behind
    from engine.runtime.child import Pace
    from engine.runtime.pool import Supervisor
    from engine.wiring.service import check, make_folders, open_service
    from watchkeeper.home import shown
    from watchkeeper.people import first_captain

    with _refusing():
        service = open_service(home(), config)
        policy = check(service)
    make_folders(service)
    layout = service.layout
    if (made := first_captain(layout)) is not None:
        name, token = made
        click.echo(f"{name} is captain; the token for this machine is in {shown(token)}", err=True)
    # The children find the same folder, wherever they are started.
    os.environ["WATCHKEEPER_HOME"] = str(layout.home)
    names = _names(service.settings.workers.processes)
    chat_of = service.settings.chat
    if chat_of.discord.server is not None or chat_of.slack.channel is not None:
        names.insert(2, "bots")
    parts = {name: _command(name, service.config) for name in names}
    click.echo(
        f"watchkeeper {__version__}: {len(policy.actions)} actions, policy {policy.policy_hash[:12]}, "
        f"state in {shown(layout.home)}",
        err=True,
    )
    supervisor = Supervisor(
        layout,
        parts,
        fence=FileFence(layout.stops),
        sweep=lambda stops: end_all(layout.home, stops),
        end_left_behind=lambda: end_left_behind(layout.home),
        announcer=service.announcements,
        # The workers keep their own time; ours only catches one that does not come to its end.
        pace=Pace(drain_s=service.settings.workers.drain_s + _MARGIN_S),
        check=lambda: check(open_service(layout.home, service.config)),
    )
    raise SystemExit(supervisor.run())


def _names(workers: int) -> list[str]:
    return ["engine", "front", *(f"worker-{number}" for number in range(1, workers + 1))]


def _command(name: str, config: Path) -> list[str]:
    kind, _, number = name.partition("-")
    named = ["--name", name] if number else []
    return [sys.executable, "-m", "watchkeeper", kind, "--config", str(config), *named]


@contextmanager
def _refusing() -> Iterator[None]:
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

    os.umask(_PRIVATE)
    with _refusing():
        run_engine(open_service(home(), config), version=__version__)


@click.command()
@_config
def front(config: Path | None) -> None:
    """Run the HTTP API alone."""
    from bot.front_process import run_front
    from engine.wiring.service import open_service

    os.umask(_PRIVATE)
    with _refusing():
        run_front(open_service(home(), config), version=__version__)


@click.command()
@_config
def bots(config: Path | None) -> None:
    """Run the chat bots alone: Discord and Slack, as watchkeeper.yaml has them."""
    from bot.chat_process import run_bots
    from engine.wiring.service import open_service

    os.umask(_PRIVATE)
    with _refusing():
        run_bots(open_service(home(), config), version=__version__)


@click.command()
@_config
@click.option("--name", default="worker", help="What it is called in leases.", show_default=True)
def worker(config: Path | None, name: str) -> None:
    """Run one worker alone. It leases effects from the engine and performs them."""
    from engine.wiring.service import open_service, run_worker

    with _refusing():
        run_worker(open_service(home(), config), name=name)
