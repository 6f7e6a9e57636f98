"""`watchkeeper fake`: platforms people talk on, on this machine, for trying bots without the real ones."""

import asyncio
from pathlib import Path

import click

from watchkeeper.commands_fake_slack import fake_slack


@click.group()
def fake() -> None:
    """Run a fake chat platform for trying a bot, yours or any other, without accounts and network."""


@fake.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of loopback; 0: a free one.")
@click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Discord's official OpenAPI description, to hold the bot's requests against. Takes openapi-core.",
)
@click.option("--privileged", is_flag=True, help="Let the bot ask for the privileged intents.")
def discord(port: int, spec: Path | None, privileged: bool) -> None:
    """Run a fake Discord until Ctrl-C: a guild with a person and a channel, and a place for one bot."""
    from simulator.fakes.fake_discord.serving import serve

    asyncio.run(serve(port=port, spec=spec, privileged=privileged, say=click.echo))


fake.add_command(fake_slack)
