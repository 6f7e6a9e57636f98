"""`watchkeeper chat`: the chat language in the terminal."""

import asyncio
import sys
from pathlib import Path

import click

from watchkeeper import __version__
from watchkeeper.commands_do import STATUSES
from watchkeeper.home import CONFIG_VARIABLE, home


@click.command()
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with watchkeeper.yaml.",
)
def chat(config: Path | None) -> None:
    """Talk to Watchkeeper as in Discord or Slack: completion, history, and what happens meanwhile.

    From a file or a pipe it takes a command a line, and ends with the status of the first not done, as `do`.
    """
    raise SystemExit(STATUSES[asyncio.run(_chat(config))])


async def _chat(config: Path | None):  # type: ignore[no-untyped-def]  # imported late
    from bot.desk import open_desk
    from bot.terminal import chat as talk
    from bot.terminal import read_lines
    from engine.wiring.service import make_folders, open_service
    from watchkeeper.people import account

    service = open_service(home(), config)
    make_folders(service)
    async with open_desk(service, version=__version__) as desk:
        me = account(service.layout)
        if not sys.stdin.isatty():
            return await read_lines(desk, me, sys.stdin, echo=click.echo)
        await talk(desk, me, history=service.layout.home / "chat-history")
        return "done"
