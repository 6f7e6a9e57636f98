"""`watchkeeper mcp`: govern the tools of any MCP server, or be one."""

import json
import os
import sys
from pathlib import Path
from typing import Final

import click

from watchkeeper.home import CONFIG_VARIABLE, home

_config = click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with mcp.yaml, where it is not that of the state folder.",
)
_name = click.argument("name")
_behind = (
    click.option(
        "--url", default="", metavar="URL", help="A server that runs elsewhere, over streamable HTTP."
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="For --url; $NAME is taken from the environment. May be given several times.",
    ),
    click.argument("command", nargs=-1, type=click.UNPROCESSED),
)
_SDK: Final = "pip install 'watchkeeper[mcp]'"


@click.group()
def mcp() -> None:
    """Govern the tools of MCP servers, or let agents propose through one.

    Put `--` in front of a server's command: `watchkeeper mcp add files -- npx -y some-server /srv/shop`.
    """


@mcp.command()
@_name
@click.option("--owner", metavar="PERSON", help="Whom the agents that use it belong to.")
@click.option(
    "--established",
    is_flag=True,
    help="Let its calls run from now on where policy allows: it held that authority before. [default: they "
    "are decided and logged, and do not run]",
)
@_config
@_behind[0]
@_behind[1]
@_behind[2]
def add(  # noqa: PLR0917 - click passes every option by name
    name: str,
    owner: str | None,
    established: bool,
    config: Path | None,
    url: str,
    headers: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    """Make the token for a server's calls, and print what an agent's settings need to reach it by the proxy.

    NAME is the server's own: mcp.yaml says by it what its tools are proposed as.
    """
    from bot.hooks.tables import config_of
    from bot.tool_servers.tables import place_of
    from engine.wiring.tool_calls import read_server
    from watchkeeper.hook_settings import program
    from watchkeeper.hook_token import establish, make_token

    state = home().resolve()
    folder = config.resolve() if config else None
    _one_of(url, command)
    in_force = config_of(state, folder)
    table = read_server(place_of(in_force), in_force / "actions.yaml", name).table
    for line in make_token(state, f"mcp-{name}", table.capability, owner):
        click.echo(line, err=True)
    if established:
        click.echo(establish(state, folder, table.capability), err=True)
    words = [*program(), "mcp", "proxy", name, "--home", str(state)]
    words += ["--config", str(folder)] if folder else []
    words += ["--url", url] if url else []
    words += [word for header in headers for word in ("--header", header)]
    words += ["--", *command] if command else []
    settings = {"mcpServers": {name: {"command": words[0], "args": words[1:]}}}
    click.echo(json.dumps(settings, indent=2, ensure_ascii=False))
    click.echo(_NEXT, err=True)


_NEXT: Final = """\
Put that into the agent's settings in place of the server itself: .mcp.json for Claude Code, .cursor/mcp.json
for Cursor, settings.json for Gemini CLI. Take out whatever reaches the server without the proxy."""


@mcp.command()
@_name
@click.option("--home", "home_", metavar="FOLDER", help="State folder. [default: $WATCHKEEPER_HOME]")
@_config
@_behind[0]
@_behind[1]
@_behind[2]
def proxy(  # noqa: PLR0917 - click passes every option by name
    name: str,
    home_: str | None,
    config: Path | None,
    url: str,
    headers: tuple[str, ...],
    command: tuple[str, ...],
) -> None:
    """Stand between an agent and a server: this is what an agent's settings start.

    Speaks MCP on standard input and output. Each call of a tool is proposed, and runs when that is allowed.
    """
    _one_of(url, command)
    _needs_sdk()
    from bot.tool_servers.proxy import Behind, headers_of
    from bot.tool_servers.proxy import proxy as run

    state = Path(home_).resolve() if home_ else home().resolve()
    behind = Behind(command=command, url=url, headers=headers_of(headers))
    # A thread of the SDK still reads what the client may say; only the client could end it.
    run(name, behind, state, config.resolve() if config else None, os._exit)


def _one_of(url: str, command: tuple[str, ...]) -> None:
    from engine.errors import InputError

    if bool(url) == bool(command):
        raise InputError(
            "which server?" if not url else "a command and a URL are two servers",
            cure="give its command behind `--`, or --url URL",
        )
    if url and not url.startswith(("http://", "https://")):
        raise InputError("is no address", place=url, cure="https://HOST/mcp")


def _needs_sdk() -> None:
    import importlib.util

    from engine.errors import InputError

    if importlib.util.find_spec("mcp") is None:
        raise InputError("the MCP SDK is not installed", cure=_SDK)


@mcp.command()
@_name
def tools(name: str) -> None:
    """List the tools of a server that were seen, and what changed since they were accepted."""
    import difflib

    from bot.hooks.kept import Kept
    from bot.tool_servers.pins import Pins

    pins = Pins(Kept(home().resolve()).folder, name)
    known = pins.read() if pins.path.exists() else {}
    if not known:
        click.echo(f"no tool of {name} was seen yet: they are when an agent lists them", err=True)
    for tool, pin in sorted(known.items()):
        click.echo(f"{tool}  {'changed, waits for: watchkeeper mcp accept' if pin.waiting else 'accepted'}")
        if pin.waiting is not None:
            before, after = (
                json.dumps(each, indent=2, sort_keys=True, ensure_ascii=True).splitlines()
                for each in (pin.accepted, pin.waiting)
            )
            for line in difflib.unified_diff(before, after, "accepted", "now", lineterm=""):
                click.echo(f"  {line}")


@mcp.command()
@_name
@click.argument("tool", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
def accept(name: str, tool: tuple[str, ...], yes: bool) -> None:
    """Accept what a server says of its tools now: of those named, or of all. Shows what changed, and asks."""
    from bot.hooks.kept import Kept
    from bot.tool_servers.pins import Pins

    pins = Pins(Kept(home().resolve()).folder, name)
    if not yes:
        click.get_current_context().invoke(tools, name=name)
        click.confirm("Accept that?", abort=True, err=True)
    accepted = pins.accept(tool)
    click.echo(f"accepted: {', '.join(accepted) or 'nothing had changed'}", err=True)


@mcp.command()
@click.option(
    "--http", "address", metavar="HOST:PORT", help="Serve streamable HTTP there, on this machine only."
)
@click.option(
    "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="File with the agent's token."
)
def serve(address: str | None, token_file: Path | None) -> None:
    """Be an MCP server whose tools propose, wait, report, explain and tell how things stand.

    Reaches the service as agents do: by WATCHKEEPER_URL or the state folder, with WATCHKEEPER_TOKEN or the
    file's token.
    """
    _needs_sdk()
    from watchkeeper.serving_tools import serve as run

    sys.exit(run(address, token_file))
