"""`watchkeeper hook`: coding agents ask before each tool call."""

import difflib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from watchkeeper.home import CONFIG_VARIABLE, home

_AGENTS: Final = ("claude", "codex", "cursor", "gemini")
_Command = TypeVar("_Command", bound=Callable[..., None])


@click.group()
def hook() -> None:
    """Have coding agents ask before each tool call.

    `watchkeeper hook AGENT` itself is what an agent calls: it reads the call from standard input and answers
    in that agent's words. Install it with `watchkeeper hook install AGENT`.
    """


def _answering(agent: str) -> click.Command:
    def answer(home_: str | None, config: str | None) -> None:
        """Answer one tool call, which comes on standard input: this is what the agent calls."""
        from bot.hooks.run import main

        options = (("--home", home_), ("--config", config))
        words = [word for name, value in options if value is not None for word in (name, value)]
        raise SystemExit(main([agent, *words]))

    command = click.command(agent)(answer)
    command.params += [
        click.Option(
            ["--home", "home_"], metavar="FOLDER", help="State folder. [default: $WATCHKEEPER_HOME]"
        ),
        click.Option(
            ["--config"], metavar="FOLDER", help="Folder with hooks.yaml, if not the state folder's."
        ),
    ]
    return command


for _name in _AGENTS:
    hook.add_command(_answering(_name))


def _where(function: _Command) -> _Command:
    for option in (
        click.option("--user", "where", flag_value="user", help="In every project of this user."),
        click.option(
            "--project", "where", flag_value="project", default=True, help="In this folder. [default]"
        ),
        click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.argument("agent", type=click.Choice(_AGENTS)),
    ):
        function = option(function)
    return function


@hook.command()
@click.option("--owner", metavar="PERSON", help="Whom the agent belongs to.")
@click.option(
    "--established",
    is_flag=True,
    help="Let it act from now on where policy allows: it held that authority before. [default: it is decided "
    "and logged, and people are asked]",
)
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with hooks.yaml, where it is not that of the state folder.",
)
@_where
def install(  # noqa: PLR0917 - click passes every option by name
    agent: str,
    where: str,
    dry_run: bool,
    yes: bool,
    owner: str | None,
    established: bool,
    config: Path | None,
) -> None:
    """Put the hook into an agent's settings, and make the token it proposes with.

    Shows the difference and asks first. What was there is kept beside it. Installing again changes nothing.
    """
    from bot.hooks.tables import config_of, place_of
    from engine.wiring.tool_calls import read_tables
    from watchkeeper.hook_settings import command_of, installed, settings_file

    state = home().resolve()
    folder = config.resolve() if config else None
    in_force = config_of(state, folder)
    table = read_tables(place_of(in_force), in_force / "actions.yaml")[agent]
    path = settings_file(agent, where, Path.cwd())  # type: ignore[arg-type]  # click gives one of the two
    before = _text(path)
    commands = {
        moment: command_of(agent, state, folder, table.deadline_s, before=moment == "before")
        for moment in ("before", "after")
    }
    after = installed(before, str(path), agent, commands, table.deadline_s)
    changed = _change(path, before, after, dry_run=dry_run, yes=yes)
    if dry_run:
        return
    from watchkeeper.hook_token import make_token

    for line in make_token(state, agent, table.capability, owner):
        click.echo(line, err=True)
    if established:
        from watchkeeper.hook_token import establish

        click.echo(establish(state, folder, table.capability), err=True)
    if not changed:
        click.echo(f"{path} calls the hook already", err=True)
    click.echo(_NEXT.format(agent=agent), err=True)


@hook.command()
@_where
def uninstall(agent: str, where: str, dry_run: bool, yes: bool) -> None:
    """Take the hook out of an agent's settings. The token stays: `watchkeeper token revoke` takes it back."""
    from watchkeeper.hook_settings import settings_file, uninstalled

    path = settings_file(agent, where, Path.cwd())  # type: ignore[arg-type]  # click gives one of the two
    before = _text(path)
    if not _change(path, before, uninstalled(before, str(path), agent), dry_run=dry_run, yes=yes):
        click.echo(f"{path} does not call the hook" + " as it is" * dry_run, err=True)


_NEXT: Final = """\
Start {agent} anew: it reads its settings when it starts. Each call of a tool is then decided here. Without
`watchkeeper up` the hook decides by itself, and can ask nobody but whoever sits at the agent."""


def _text(path: Path) -> str:
    from engine.adapters.files import storage_errors
    from engine.errors import InputError

    if not path.exists():
        return ""
    try:
        with storage_errors(path):
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as wrong:
        raise InputError("is not UTF-8 text", place=str(path), cure="save it as UTF-8") from wrong


def _change(path: Path, before: str, after: str, *, dry_run: bool, yes: bool) -> bool:
    """Show the difference, ask, keep what was there, and write. Says whether there was any."""
    from engine.adapters.files import atomic_write, storage_errors

    if before == after:
        return False
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(path) if before else "/dev/null", str(path), lineterm=""
    )
    for line in lines:
        click.echo(line)
    if dry_run:
        return True
    if not yes:
        click.confirm("Write that?", abort=True, err=True)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if before:
            kept = path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}.{os.getpid()}.bak")
            shutil.copy2(path, kept)
            click.echo(f"what was there is in {kept}", err=True)
    with atomic_write(path) as file:
        file.write(after.encode())
    return True
