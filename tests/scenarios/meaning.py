"""Whether two people on different platforms read the same, however each platform lays it out."""

import re

from simulator.scenario.players import Seen
from simulator.scenario.stage import Stage

_MARKS = "✓⚠✗"
_CUT = 12


def missing(terminal: Stage, other: Stage) -> list[str]:
    """Return what people on the other platform do not read, though people at terminals do.

    Compared piece by piece: titles, sentences, names, values and cells of tables, and the labels of buttons.
    """
    found = []
    for (line, here), (again, there) in zip(terminal.seen, other.seen, strict=True):
        assert line == again
        if any(seen.unsaid for seen in there):
            continue
        for seen in here:
            found += [f"{line}: {what}" for what in differences(terminal, seen, other, there)]
    return found


def differences(terminal: Stage, seen: Seen, other: Stage, there: list[Seen]) -> list[str]:
    """Say what of one message is read otherwise on the other platform."""
    wanted = pieces(terminal.normal_text(seen))
    messages = [part for each in there for part in (each.parts or (each,))]
    texts = [other.normal(squeezed(other.normal_text(message))) for message in messages]
    # Other messages may have changed at the same time: the answer is the one that says most of it.
    best = max(range(len(messages)), key=lambda place: sum(piece in texts[place] for piece in wanted))
    message, text = messages[best], texts[best]
    found = []
    if not any(each.attached for each in messages):
        found += [f"{piece!r} is not in {text!r}" for piece in wanted if piece not in text]
    if sorted(map(other.normal, message.buttons)) != sorted(map(terminal.normal, seen.buttons)):
        found.append(f"buttons {message.buttons} instead of {seen.buttons}")
    if message.private != seen.private:
        found.append("private" if message.private else "public")
    return found


def pieces(text: str) -> list[str]:
    """Cut a text into what must be readable whole."""
    cut = []
    for line in text.splitlines():
        plain = line.strip().lstrip(_MARKS).strip().removeprefix("(").removesuffix(")")
        cut += [squeezed(piece) for piece in re.split(r"\s{2,}|: | · ", plain)]
    # What was cut short is cut at another letter where the name of the platform is longer.
    return [piece[:-_CUT] if piece.endswith("…") else piece for piece in cut if piece.strip("…")]


def squeezed(text: str) -> str:
    """Make one line of a text: where a platform breaks it means nothing."""
    return " ".join(text.split())
