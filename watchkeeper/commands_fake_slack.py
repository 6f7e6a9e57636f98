"""`watchkeeper fake slack`: a Slack on loopback, for trying a bot without an account or a network."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from engine.errors import InputError


@click.command("slack")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port on loopback. [default: a free one]"
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path, dir_okay=False),
    help="App manifest, YAML or JSON: its commands, scopes and events. [default: no commands, all scopes]",
)
@click.option(
    "--person", "people", multiple=True, default=("captain",), show_default="captain", help="Somebody in it."
)
@click.option("--channel", "channels", multiple=True, default=("ops",), show_default="ops", help="A channel.")
@click.option("--request-url", help="Deliver there over HTTP. [default: Socket Mode]")
def fake_slack(
    port: int,
    manifest: Path | None,
    people: tuple[str, ...],
    channels: tuple[str, ...],
    request_url: str | None,
) -> None:
    """Run a fake Slack until Ctrl-C, and print how a bot and a script reach it.

    Point the bot's Web API base URL and tokens at what is printed. What people do is driven, and what they
    see is read, as JSON below /_fake/.
    """
    content = _read(manifest) if manifest is not None else None
    asyncio.run(_run(port, content, people, channels, request_url))


def _read(path: Path) -> dict[str, Any]:
    from engine.adapters.yaml_files import read_yaml
    from simulator.fakes.fake_slack.manifest import manifest_faults

    content = read_yaml(path).data  # JSON is YAML too
    if faults := manifest_faults(content):
        raise InputError(f"Slack would refuse this manifest: {'; '.join(faults)}", place=str(path))
    return dict(content)


async def _run(
    port: int,
    manifest: dict[str, Any] | None,
    people: tuple[str, ...],
    channels: tuple[str, ...],
    request_url: str | None,
) -> None:
    from simulator.fakes.fake_slack import FakeSlack
    from simulator.fakes.fake_slack.control import Control

    fake = FakeSlack(manifest=manifest, port=port)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await fake.start(more_routes=Control(fake).routes())
        lines = {
            "web api": fake.api_url,
            "bot token": fake.bot_token,
            "app token": fake.app_token,
            "signing secret": fake.signing_secret,
            "control": f"{fake.base_url}/_fake/",
            "people": ", ".join(f"{name} {fake.add_person(name)}" for name in people),
            "channels": ", ".join(f"#{name} {fake.add_channel(name)}" for name in channels),
        }
        for name, value in lines.items():
            click.echo(f"{name + ':':<16}{value}")
        if request_url is not None:
            await _deliver_to(fake, request_url)
        await stop.wait()
    except OSError as taken:
        raise InputError(f"cannot listen on port {port}: {taken.strerror}", cure="name another") from taken
    finally:
        await fake.close()


async def _deliver_to(fake: Any, url: str) -> None:
    import aiohttp

    try:
        await fake.use_request_url(url)
    except (ValueError, aiohttp.ClientError) as no:
        raise InputError(f"the request URL does not answer: {no}", cure="start the bot first") from no
    click.echo(f"{'delivering to:':<16}{url}")
