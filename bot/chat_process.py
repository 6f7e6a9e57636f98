"""The bots as a process: Discord and Slack over one state folder, with one desk and one board."""

import asyncio
import logging
from pathlib import Path

from bot.desk import open_desk
from bot.fronts import ChatFront
from engine.adapters.log_lines import clean_logs
from engine.adapters.message_file import MessageFile
from engine.adapters.secret_file import read_secret
from engine.commands.board import Board
from engine.commands.desk import Desk
from engine.commands.hearing import Hearing
from engine.wiring.service import Service, make_folders, told_to_end


def run_bots(service: Service, *, version: str) -> None:
    """Run until SIGTERM. Raises `InputError` when a token is missing or refused."""
    make_folders(service)
    logging.basicConfig(level=logging.INFO)
    clean_logs()
    asyncio.run(_bots(service, version))


async def _bots(service: Service, version: str) -> None:
    messages = MessageFile(service.layout.messages)
    end = asyncio.Event()
    try:
        async with open_desk(service, version=version, lasting=True) as desk:
            hearing = Hearing(desk.tools.engine)
            fronts = fronts_of(service, desk)
            board = Board(desk.tools, hearing, [each for front in fronts for each in front.posters], messages)
            for front in fronts:
                front.attach(board)
            with told_to_end(end):
                runs = [hearing.run(), board.run(), *(front.run() for front in fronts)]
                work = [asyncio.create_task(run) for run in runs]
                ending = asyncio.create_task(end.wait())
                done, _ = await asyncio.wait([*work, ending], return_when=asyncio.FIRST_COMPLETED)
                hearing.close()
                for task in (*work, ending):
                    task.cancel()
                await asyncio.gather(*work, ending, return_exceptions=True)
                for task in done - {ending}:
                    # One that ended by itself has failed, and all with it: the supervisor starts them anew.
                    task.result()
    finally:
        messages.close()


def fronts_of(service: Service, desk: Desk) -> list[ChatFront]:
    """Make the front-ends that watchkeeper.yaml names. Raises `InputError` when a token is missing."""
    fronts: list[ChatFront] = []
    chat = service.settings.chat
    if chat.discord.server is not None:
        from bot.discord_app.front import DiscordFront

        token = secret(service.layout.chat / "discord-token")
        fronts.append(DiscordFront(desk, chat.discord, token=token))
    if chat.slack.channel is not None:
        from bot.slack_app.front import SlackFront

        fronts.append(
            SlackFront(
                desk,
                chat.slack,
                bot_token=secret(service.layout.chat / "slack-bot-token"),
                app_token=secret(service.layout.chat / "slack-app-token")
                if chat.slack.mode == "socket"
                else "",
                signing_secret=secret(service.layout.chat / "slack-signing-secret")
                if chat.slack.mode == "http"
                else "",
            )
        )
    return fronts


def secret(path: Path) -> str:
    """Read a token. Raises `InputError` when it is missing, or others could read it."""
    return read_secret(path, guide="docs/howto/chat.md")
