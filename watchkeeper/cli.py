"""The command line. Each command lives in a module of its own and is imported only when it is called."""

import importlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from engine.adapters.files import storage_errors
from engine.errors import WatchkeeperError
from watchkeeper import __version__

# name → module and attribute. Listed in the order in which a newcomer needs them.
_COMMANDS: Final = {
    "demo": "watchkeeper.commands_demo:demo",
    "up": "watchkeeper.commands_service:up",
    "console": "watchkeeper.commands_console:console",
    "status": "watchkeeper.commands_status:status",
    "kpi": "watchkeeper.commands_kpi:kpi",
    "doctor": "watchkeeper.commands_status:doctor",
    "propose": "watchkeeper.commands_propose:propose",
    "kill": "watchkeeper.commands_override:kill",
    "resume": "watchkeeper.commands_override:resume",
    "undo": "watchkeeper.commands_override:undo",
    "chat": "watchkeeper.commands_chat:chat",
    "escalations": "watchkeeper.commands_escalations:escalations",
    "ack": "watchkeeper.commands_escalations:ack",
    "take": "watchkeeper.commands_escalations:take",
    "snooze": "watchkeeper.commands_escalations:snooze",
    "hand": "watchkeeper.commands_escalations:hand",
    "pass": "watchkeeper.commands_escalations:pass_",
    "resolve": "watchkeeper.commands_escalations:resolve",
    "page": "watchkeeper.commands_escalations:page",
    "drill": "watchkeeper.commands_escalations:drill",
    "oncall": "watchkeeper.commands_oncall:oncall",
    "do": "watchkeeper.commands_do:do",
    "link": "watchkeeper.commands_link:link",
    "totp": "watchkeeper.commands_totp:totp",
    "slack": "watchkeeper.commands_slack:slack",
    "preview": "watchkeeper.commands_override:preview",
    "canary": "watchkeeper.commands_canary:canary",
    "shadow": "watchkeeper.commands_canary:shadow",
    "rollout": "watchkeeper.commands_canary:rollout",
    "clear-trouble": "watchkeeper.commands_override:clear_trouble",
    "replay": "watchkeeper.commands_replay:replay",
    "discover": "watchkeeper.commands_discover:discover",
    "value": "watchkeeper.commands_value:value",
    "explain": "watchkeeper.commands_explain:explain",
    "calibration": "watchkeeper.commands_calibration:calibration",
    "import": "watchkeeper.commands_import:import_",
    "recording": "watchkeeper.commands_import:recording",
    "hook": "watchkeeper.commands_hook:hook",
    "mcp": "watchkeeper.commands_mcp:mcp",
    "events": "watchkeeper.commands_events:events",
    "token": "watchkeeper.commands_token:token",
    "policy": "watchkeeper.commands_policy:policy",
    "journal": "watchkeeper.commands_journal:journal",
    "engine": "watchkeeper.commands_service:engine",
    "front": "watchkeeper.commands_service:front",
    "bots": "watchkeeper.commands_service:bots",
    "pager": "watchkeeper.commands_service:pager",
    "body": "watchkeeper.commands_body:body",
    "worker": "watchkeeper.commands_service:worker",
    "snapshot": "watchkeeper.commands_snapshot:snapshot",
    "fake": "watchkeeper.commands_fake:fake",
}


STOPPED: Final = 130
"""The exit status of what Ctrl-C ended, as shells have it."""


class Refused(click.ClickException):
    """One of our errors on its way to the terminal: a single line, exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"watchkeeper: {self.message}", err=True, file=file)


class Commands(click.Group):
    """The commands, loaded when they are needed; errors with a cure become one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in order."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; `None` if there is none of that name."""
        where = _COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def make_context(self, *words: Any, **options: Any) -> click.Context:
        """Read the command line. Help is printed here."""
        with _refusals():
            return super().make_context(*words, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run, turning refusals into one line. Anything else is a bug and crashes loudly."""
        try:
            with _refusals():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("watchkeeper: stopped", err=True)
            raise SystemExit(STOPPED) from None


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn our own errors, and the machine's, into one line."""
    try:
        # Every writer of files names its own; what is left is the terminal, or the file it is sent to.
        with storage_errors("standard output"):
            yield
    except WatchkeeperError as refused:
        raise Refused(" ".join(str(refused).split())) from refused


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="watchkeeper")
def main() -> None:
    """Watchkeeper: agents propose, the engine decides, people hold the override."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names of files need not be text, and a terminal need not know every sign of ours.
            stream.reconfigure(errors="backslashreplace")
