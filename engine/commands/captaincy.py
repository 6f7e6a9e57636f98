"""The captaincy in chat: who holds it, and handing it over. Who acts as captain has a captain's role."""

from msgspec import structs

from engine.commands import catalogue as c
from engine.commands.language import Command
from engine.commands.model import Asker, Confirm, Reply
from engine.commands.tools import Tools
from engine.core.vocabulary.captaincy import Word
from engine.core.vocabulary.facts import decode
from engine.core.vocabulary.ids import PersonId
from engine.core.work.captaincy import Captaincy, CaptaincyFact, fold, objection
from engine.errors import InputError, WatchkeeperError
from engine.ports import DecisionsReader
from engine.runtime import wire

WORDS: dict[type[Command], Word] = {
    c.CaptainHandOver: "hand-over",
    c.CaptainAccept: "accept",
    c.CaptainDecline: "decline",
    c.CaptainAway: "away",
    c.CaptainBack: "back",
    c.CaptainDeputy: "deputy",
}


def captaincy_of(journal: DecisionsReader) -> Captaincy:
    """Say from the journal alone who holds the captaincy: the engine may be dead."""
    known = Captaincy()
    for record in sorted(journal.with_prefix("captaincy:"), key=lambda record: record.seq):
        fact = decode(record.body)
        if isinstance(fact, CaptaincyFact):
            fold(known, fact)
    return known


def acts(tools: Tools, person: PersonId) -> bool:
    """Whether somebody acts as captain now. Where nobody can say, nobody does."""
    try:
        return captaincy_of(tools.journal()).acting == person
    except WatchkeeperError:
        return False


async def show(tools: Tools, asker: Asker, said: c.CaptainShow) -> Reply:
    """Say who holds it."""
    return _shown(await tools.ask(wire.GetCaptaincy(), wire.CaptaincyShown), "The captaincy")


async def before_hand_over(tools: Tools, asker: Asker, said: c.CaptainHandOver) -> Confirm:
    """Say what handing it over means."""
    if against := objection(captaincy_of(tools.journal()), "hand-over", asker.person, PersonId(said.person)):
        raise InputError(against, cure="/captain shows who holds it")
    known = await tools.ask(wire.GetCaptaincy(), wire.CaptaincyShown)
    then = f"{said.person} is asked, and holds it once they accept" if known.confirm else "It passes at once"
    return Confirm(
        title=f"Hand the captaincy over to {said.person}?",
        text=f"{then}. What you may do then is what your own role lets you.",
        yes="Hand over",
    )


async def say(tools: Tools, asker: Asker, said: Command) -> Reply:
    """Give a word on the captaincy."""
    word, to = WORDS[type(said)], PersonId(str(getattr(said, "person", "")))
    request = wire.SayOfCaptaincy(
        word=word,
        by=asker.person,
        to=to,
        reason=str(getattr(said, "reason", "")),
        known=any(each.person == to for each in tools.links.all()),
    )
    known = await tools.ask(request, wire.CaptaincyShown)
    titles: dict[Word, str] = {
        "hand-over": f"Offered to {to}" if known.offered == to else f"{to} is captain now",
        "accept": "You are captain now",
        "decline": "The offer is ended",
        "deputy": f"{to} is the captain's deputy now",
    }
    title = titles.get(word, f"{known.acting} acts as captain now")
    return structs.replace(_shown(known, title), tone="good")


def _shown(known: wire.CaptaincyShown, title: str) -> Reply:
    if not known.captain:
        return Reply(
            title="There is no captaincy",
            text="Whoever has the role of a captain is one. captain in captaincy.yaml names who begins.",
        )
    fields = [("Captain", known.captain + (", who is away" if known.away else ""))]
    fields.append(("Deputy", known.deputy or "nobody"))
    fields.append(("Acts now", known.acting))
    if known.offered:
        fields.append(("Offered to", f"{known.offered}, who has not answered yet"))
    return Reply(title=title, fields=tuple(fields))
