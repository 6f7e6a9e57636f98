"""A fake Discord that stays: for people who try a bot by hand or test one written in another language."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from engine.errors import InputError
from simulator.fakes.fake_discord.gateway import PRIVILEGED
from simulator.fakes.fake_discord.official import Official
from simulator.fakes.fake_discord.server import FakeDiscord
from simulator.fakes.fake_discord.world import ADMINISTRATOR, EVERYBODY


async def serve(*, port: int, spec: Path | None, privileged: bool, say: Callable[[str], object]) -> None:
    """Run until cancelled, after saying how to reach it. Raises `InputError`."""
    if spec is not None:
        _check(spec)
    fake = FakeDiscord(port=port, spec=spec, privileged_intents=PRIVILEGED if privileged else 0)
    fake.add_person("captain", permissions=EVERYBODY | ADMINISTRATOR)
    fake.add_person("responder")
    fake.add_channel("general")
    try:
        await fake.start()
    except OSError as error:
        raise InputError(
            f"port {port} cannot be listened on: {error.strerror}", cure="name another"
        ) from error
    try:
        say(introduction(fake))
        await asyncio.Event().wait()
    finally:
        await fake.close()


def introduction(fake: FakeDiscord) -> str:
    """Return how to reach a fake and what is in it."""
    control = f"{fake.base_url}/_fake"
    return "\n".join(
        [
            f"a fake Discord listens on {fake.base_url}; Ctrl-C stops it",
            "",
            f"  REST API   {fake.api_url}",
            f"  gateway    {fake.gateway_url}",
            f"  token      {fake.token}",
            f"  guild      {fake.world.guild}",
            f"  channels   {', '.join(f'{one.name} {one.id}' for one in fake.world.channels.values())}",
            f"  people     {', '.join(f'{one.name} {one.account}' for one in fake.world.people.values())}",
            "",
            "discord.py takes the first two as discord.http.Route.BASE and as",
            "discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY (a yarl.URL). People act through",
            "",
            f"  POST {control}/type " + '{"account": "captain", "line": "/status", "channel": "general"}',
            f"  POST {control}/press " + '{"account": "captain", "message": "ID", "label": "Approve"}',
            f"  GET  {control}/messages?channel=general",
            f"  GET  {control}/picture?channel=general",
            "",
            "and more, which docs/reference/fakes.md lists",
        ]
    )


def _check(spec: Path) -> None:
    """Load a description. Raises `InputError` when it is none, or openapi-core is not there."""
    try:
        Official(spec)
    except ImportError as missing:
        raise InputError("--spec takes openapi-core", cure="pip install openapi-core") from missing
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"this is no OpenAPI description: {error}", place=str(spec)) from error
