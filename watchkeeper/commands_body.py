"""`watchkeeper body`: perform what an engine elsewhere allowed, on this machine."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from engine.errors import InputError
from engine.runtime.layout import Layout
from watchkeeper import __version__
from watchkeeper.home import shown

_PRIVATE = 0o077
FOLDER_VARIABLE = "WATCHKEEPER_BODY"


@click.group(invoke_without_command=True)
@click.option(
    "--folder",
    envvar=FOLDER_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    default=".watchkeeper-body",
    help="The body's own folder. [default: $WATCHKEEPER_BODY, or .watchkeeper-body here]",
)
@click.option("--engine", "engine", metavar="URL", help="The engine. [default: as body.yaml has it]")
@click.pass_context
def body(context: click.Context, folder: Path, engine: str | None) -> None:
    """Perform what an engine elsewhere allowed, on this machine. Ctrl-C stops it cleanly.

    It connects to the engine; nothing connects to it. It performs only what its own actions.yaml lists, the
    way that says.
    """
    os.umask(_PRIVATE)
    context.obj = (folder, engine)
    if context.invoked_subcommand is None:
        _run(folder, engine)


def _run(folder: Path, engine: str | None) -> None:
    from engine.wiring.body import check_line, open_body, supervise
    from watchkeeper.commands_service import refusing

    with refusing():
        home = open_body(folder, engine)
        known = check_line(home)
    name = "" if known is None else f" {known.name} of engine {known.version}"
    who = f"body{name or ', whose engine does not answer yet'}"
    where = shown(home.workspace)
    click.echo(
        f"watchkeeper: {who}, {home.settings.engine}; {len(home.actions)} actions, in {where}", err=True
    )
    raise SystemExit(supervise(home, _hands(home.layout.home, home.settings.engine)))


def _hands(folder: Path, engine: str) -> list[str]:
    return [
        sys.executable, "-m", "watchkeeper", "body", "--folder", str(folder), "--engine", engine, "hands",
    ]  # fmt: skip


@body.command(hidden=True)
@click.pass_obj
def hands(given: tuple[Path, str | None]) -> None:
    """Run the process that performs, alone."""
    from engine.wiring.body import open_body, run_hands
    from watchkeeper.commands_service import refusing

    with refusing():
        run_hands(open_body(*given), version=__version__)


@body.command()
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="ACTION",
    help="Let this action be performed here; may be given again. [default: only show what the engine has]",
)
@click.option("--engine", "named", metavar="URL", help="The engine. [default: as body.yaml has it]")
@click.option("--workspace", type=click.Path(path_type=Path, file_okay=False), help="The folder to work in.")
@click.pass_obj
def init(
    given: tuple[Path, str | None], accepted: tuple[str, ...], named: str | None, workspace: Path | None
) -> None:
    """Set a body up: ask the engine what it has for it, and write down what of that may be done here.

    The token is read from $WATCHKEEPER_TOKEN or, hidden, from the terminal. Read actions.yaml before you
    start it: what stands there is all that can ever run here.
    """
    from engine.wiring.body import IN_ENVIRONMENT, ask_oneself, read_settings
    from watchkeeper.body_files import actions_text, settings_text, write_body

    folder, engine = given[0], named or given[1]
    layout = Layout(folder.resolve())
    settings = read_settings(layout.home, engine)
    token = os.environ.get(IN_ENVIRONMENT, "").strip() or click.prompt("token", hide_input=True).strip()
    known = ask_oneself(layout, settings, token)
    have = {str(action.name): action for action in known.actions}
    if missing := [name for name in accepted if name not in have]:
        raise InputError(
            f"the registry has nothing like this for {known.name}: {', '.join(missing)}",
            place="--accept",
            cure=f"it has {', '.join(sorted(have)) or 'nothing'}; `on: {known.name}` in actions.yaml says so",
        )
    chosen = [have[name] for name in accepted]
    click.echo(f"{known.name}: a body of {settings.engine}, version {known.version}", err=True)
    if not accepted:
        for name, action in sorted(have.items()):
            click.echo(f"{name}  {action.summary}")
        click.echo("choose what may be done here: --accept ACTION", err=True)
        return
    wanted = workspace.resolve() if workspace is not None else settings.workspace
    write_body(layout, settings_text(settings, wanted), actions_text(chosen), token)
    click.echo(f"wrote body.yaml, actions.yaml and token into {shown(layout.home)}", err=True)


@body.command()
@click.option("--reason", default="", help="Why, for those who find it stopped.")
@click.pass_obj
def stop(given: tuple[Path, str | None], reason: str) -> None:
    """Stop everything on this machine at once, and let nothing begin. Needs no engine."""
    from engine.adapters.fence_files import FileFence
    from engine.adapters.sweep import end_all
    from engine.core.vocabulary.facts import Scope
    from engine.ports import Stop
    from watchkeeper.people import local_name

    layout = _made(given)
    wanted = Stop(scope=Scope("all"), by=local_name(), reason=reason, at_us=time.time_ns() // 1000)
    began = time.perf_counter()
    FileFence(layout.stops).set(wanted)
    durable_ms = (time.perf_counter() - began) * 1000
    click.echo(f"stopped here, durably after {durable_ms:.0f} ms: nothing begins now")
    swept = end_all(layout.home, [wanted])
    click.echo(f"{swept}, after {(time.perf_counter() - began) * 1000:.0f} ms")
    if swept.alive:
        raise SystemExit(1)


@body.command()
@click.pass_obj
def resume(given: tuple[Path, str | None]) -> None:
    """Take down the stops of this machine. Those of the engine stay: a captain lifts them there."""
    from engine.adapters.fence_files import FileFence

    fence = FileFence(_made(given).stops)
    standing = fence.stops()
    for one in standing:
        fence.clear(one.scope)
    click.echo(
        f"resumed: {', '.join(str(one.scope) for one in standing)}" if standing else "nothing is stopped"
    )


@body.command()
@click.pass_obj
def status(given: tuple[Path, str | None]) -> None:
    """Say whether it runs, what is under way, what is stopped here, and what the engine has yet to hear."""
    from engine.adapters.body_notes import FolderNotes
    from engine.adapters.fence_files import FileFence
    from engine.adapters.inflight import InFlight
    from engine.core.vocabulary.units import time_text
    from engine.runtime.processes import supervisor_pid
    from engine.wiring.body import open_body

    layout = _made(given)
    home = open_body(*given)
    pid = supervisor_pid(layout)
    click.echo(f"body      {'runs, process ' + str(pid) if pid else 'does not run: watchkeeper body'}")
    click.echo(f"engine    {home.settings.engine}")
    click.echo(f"accepts   {', '.join(sorted(home.actions)) or 'nothing'}")
    for record in InFlight(layout.inflight).all():
        click.echo(f"under way {record.effect_id}, {record.action} of {record.agent}")
    if home.notes.exists():
        for entry in FolderNotes(home.notes).unfinished():
            click.echo(f"untold    {entry.effect_id} {entry.stage}{_ended(entry)}")
    for one in FileFence(layout.stops).stops():
        because = f": {one.reason}" if one.reason else ""
        click.echo(f"STOPPED   {one.scope} by {one.by} at {time_text(one.at_us)}{because}")
    raise SystemExit(0 if pid else 1)


def _ended(entry: Any) -> str:
    return f" as {entry.status}" if entry.stage == "ended" else ""


def _made(given: tuple[Path, str | None]) -> Layout:
    """Return the body's places. A stop that is set in the wrong folder would stop nothing."""
    layout = Layout(given[0].resolve())
    if not (layout.home / "actions.yaml").exists():
        raise InputError("is no body's folder", place=str(layout.home), cure="name it with --folder")
    return layout
