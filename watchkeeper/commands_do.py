"""`watchkeeper do`: one command of the chat language, for scripts."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from watchkeeper import __version__
from watchkeeper.home import CONFIG_VARIABLE, home

if TYPE_CHECKING:
    from engine.commands.model import Reply

STATUSES: Final = {"done": 0, "refused": 1, "asks": 1, "forbidden": 3, "failed": 4}
"""Exit status by outcome: 1 wrong or things stand otherwise, 3 not allowed, 4 something does not answer."""


@click.command("do")
@click.argument("line")
@click.option("--yes", is_flag=True, help="Confirm what it asks.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with watchkeeper.yaml.",
)
def do(line: str, yes: bool, as_json: bool, config: Path | None) -> None:
    """Give one command of the chat language, such as '/canary status heal'.

    Ends with status 0 when it was done, 1 when it was refused, 2 when it is no command, 3 when you may not,
    and 4 when something does not answer.
    """
    answered(line, config, yes=yes, as_json=as_json)


def answered(
    line: str, config: Path | None, *, yes: bool = False, as_json: bool = False, ends: bool = True
) -> "Reply":
    """Give a command, print the answer, and end with its status; without `ends` return what was done."""
    from engine.commands.plain import plain

    reply = asyncio.run(_give(line, config, yes=yes))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(reply, enc_hook=str), indent=2, ensure_ascii=False))
    else:
        click.echo(plain(reply, buttons=False))
    if reply.outcome == "asks":
        click.echo("confirm it with --yes", err=True)
    if ends or reply.outcome != "done":
        raise SystemExit(STATUSES[reply.outcome])
    return reply


async def _give(line: str, config: Path | None, *, yes: bool) -> "Reply":
    from bot.desk import open_desk
    from engine.commands.catalogue import LANGUAGE
    from engine.commands.following import follow
    from engine.wiring.service import open_service
    from watchkeeper.people import account

    service = open_service(home(), config)
    # A line that is no command is wrong input, as it is for every other command of the terminal.
    LANGUAGE.parse(line)
    async with open_desk(service, version=__version__) as desk:
        me = account(service.layout)
        reply = await desk.give(line, me, secrets.token_hex(8))
        if reply.outcome == "asks" and yes:
            reply = await desk.give(reply.buttons[0].line, me, secrets.token_hex(8))
        if reply.job:
            # It ends with this process, so it is waited for.
            async for card in follow(desk.tools, reply.job):
                click.echo(card.text.splitlines()[1], err=True)
                reply = card
    return reply
