"""Replies that are the same for every command: a refusal, and any reply without its secrets."""

from msgspec import structs

from engine.adapters.redaction import redact
from engine.commands.model import Outcome, Reply, Table
from engine.errors import WatchkeeperError


def refusal(error: WatchkeeperError, outcome: Outcome) -> Reply:
    """Say what went wrong, and what to do about it."""
    titles = {"forbidden": "You may not do this", "refused": "That does not work", "failed": "That failed"}
    # Where the engine's socket lies helps nobody in a chat.
    shown = error.place and not error.place.startswith("/")
    said = f"{error.place}: {error.message}" if shown else error.message
    return Reply(
        title=titles[outcome],
        outcome=outcome,
        tone="danger" if outcome == "failed" else "warning",
        text=f"{said}.",
        fields=(("What to do", error.cure),) if error.cure else (),
    )


def clean(reply: Reply) -> Reply:
    """Take secrets out of everything a reply says, unless it is there to hand one over."""
    if reply.hands_over:
        return reply
    table = reply.table
    if table is not None:
        rows = tuple(tuple(redact(cell) for cell in row) for row in table.rows)
        table = Table(columns=table.columns, rows=rows)
    return structs.replace(
        reply,
        title=redact(reply.title),
        text=redact(reply.text),
        fields=tuple((name, redact(value)) for name, value in reply.fields),
        table=table,
        buttons=tuple(
            structs.replace(button, label=redact(button.label), line=redact(button.line))
            for button in reply.buttons
        ),
        footer=redact(reply.footer),
    )
