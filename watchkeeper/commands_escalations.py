"""Waking people from the terminal: what they are woken for, what they say to it, and drills.

What is said here is said at the same desk as in chat, by the person whose token is at hand.
"""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from watchkeeper.commands_do import answered
from watchkeeper.commands_escalation_report import report
from watchkeeper.home import CONFIG_VARIABLE, home, must_be_writable

if TYPE_CHECKING:
    from engine.commands.model import Reply
    from engine.core.vocabulary.escalation_facts import EscalationFact

_DRILL_S: Final = 900.0
_LOOK_S: Final = 0.5

config_option: Callable[[Any], Any] = click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with watchkeeper.yaml.",
)


@click.group()
def escalations() -> None:
    """See what people are being woken for."""


escalations.add_command(report)


@escalations.command("list")
@config_option
def list_(config: Path | None) -> None:
    """List what people are being woken for: who has it, and what happens next and when."""
    answered("escalations", config)


@escalations.command()
@click.argument("which")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it into this file, too.")
@config_option
def show(which: str, svg: Path | None, config: Path | None) -> None:
    """Show all about one: its four digits, its id, or the decision it is about."""
    from engine.adapters.files import storage_errors

    must_be_writable(svg)
    reply = answered(f"escalations {which}", config, ends=False)
    if svg is not None:
        from engine.core.work.escalations.timeline import timeline
        from simulator.report.escalation_picture import picture

        drawn = picture(timeline(_facts(_name(reply))))
        with storage_errors(svg):
            svg.write_text(drawn)


@click.command()
@click.argument("which")
@config_option
def ack(which: str, config: Path | None) -> None:
    """Say that you are awake and have it, so that nobody else is woken. Takes a responder."""
    answered(f"ack {which}", config)


@click.command()
@click.argument("which")
@click.argument("words", nargs=-1, metavar="[run|did] [WHY]...")
@config_option
def take(which: str, words: tuple[str, ...], config: Path | None) -> None:
    """Have it from now on, whoever had it before; or take what is recommended. Takes a responder."""
    answered(" ".join(["take", which, *words]), config)


@click.command()
@click.argument("which")
@click.argument("words", nargs=-1, metavar="[for TIME]...")
@click.option("--for", "time", default="30m", show_default=True, help="How long, such as 30m or 2h.")
@config_option
def snooze(which: str, words: tuple[str, ...], time: str, config: Path | None) -> None:
    """Take it, and be reminded later. Takes a responder."""
    answered(f"snooze {which} {' '.join(words) or time}", config)


@click.command()
@click.argument("which")
@click.argument("person", nargs=-1, required=True, metavar="[to] PERSON")
@config_option
def hand(which: str, person: tuple[str, ...], config: Path | None) -> None:
    """Give it to somebody else, who is woken. Takes a responder."""
    answered(f"hand {which} {' '.join(person)}", config)


@click.command("pass")
@click.argument("which")
@config_option
def pass_(which: str, config: Path | None) -> None:
    """Have the next one woken at once. Takes a responder."""
    answered(f"pass {which}", config)


@click.command()
@click.argument("which")
@click.argument("words", nargs=-1, metavar="[WHAT IT WAS]...")
@click.option("--reason", default="", help="What it was, for the journal.")
@config_option
def resolve(which: str, words: tuple[str, ...], reason: str, config: Path | None) -> None:
    """End it: nobody is needed any more. Takes a responder."""
    answered(f"resolve {which} {' '.join(words) or reason}".strip(), config)


@click.command()
@click.argument("to")
@click.argument("text", nargs=-1, required=True)
@config_option
def page(to: str, text: tuple[str, ...], config: Path | None) -> None:
    """Wake somebody: warning, critical, or the name of a ladder, and what is asked. Takes a responder."""
    answered(f"page {to} {' '.join(text)}", config)


@click.command()
@click.argument("ladder", default="")
@click.option("--yes", is_flag=True, help="Ring, after it was shown whom.")
@click.option(
    "--wait",
    "wait_s",
    default=_DRILL_S,
    show_default=True,
    help="Seconds to wait for its end; 0: none.",
)
@config_option
def drill(ladder: str, yes: bool, wait_s: float, config: Path | None) -> None:
    """Ring a ladder for real and say that it is a drill; then show what each rung took, and who answered.

    Ends with status 1 when nobody answered.
    """
    reply = answered(f"drill {ladder}".strip(), config, yes=yes, ends=False)
    if not wait_s:
        return
    name = _name(reply)
    how = _end_of(name, wait_s)
    answered(f"escalations {name}", config, ends=False)
    if how is None:
        click.echo(f"it goes on; watchkeeper escalations show {name}", err=True)
    raise SystemExit(0 if how == "resolved" else 1)


def _end_of(name: str, wait_s: float) -> str | None:
    """Wait until an escalation ended; returns how, `None` when it did not in time."""
    from engine.core.vocabulary.escalation_facts import EscalationEnded

    until = time.monotonic() + wait_s
    while True:
        for fact in _facts(name):
            if isinstance(fact, EscalationEnded):
                return fact.how
        if time.monotonic() >= until:
            return None
        time.sleep(_LOOK_S)


def _name(reply: "Reply") -> str:
    """Return the id of the escalation that an answer shows: it stands first at its foot."""
    return reply.footer.partition(" ")[0]


def _facts(name: str) -> "list[EscalationFact]":
    """Return what was journaled about an escalation."""
    from engine.adapters.decisions_view import Current, DecisionsView
    from engine.commands.escalation_story import facts_of
    from engine.core.vocabulary.ids import EscalationId
    from engine.runtime.layout import Layout

    with closing(Current(Layout(home().resolve()).journal, DecisionsView)) as journal:
        return facts_of(journal(), EscalationId(name))
