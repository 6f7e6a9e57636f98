"""The captaincy: one person holds it, hands it over, and has a deputy who acts while they are away.

The configuration says who begins; from then on the journal does, until the configuration names others.
"""

from collections.abc import Iterator

from msgspec import Struct

from engine.core.vocabulary.captaincy import Word
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import (
    CaptainAway,
    CaptaincyBegun,
    CaptaincyDeclined,
    CaptaincyOffered,
    CaptaincyPassed,
    DeputyNamed,
)
from engine.core.vocabulary.voting import AGENT

CaptaincyFact = (
    CaptaincyBegun | CaptaincyOffered | CaptaincyPassed | CaptaincyDeclined | CaptainAway | DeputyNamed
)
_NOBODY = PersonId("")


class Captaincy(Struct):
    """Who holds it. Empty names are nobody."""

    begun: tuple[PersonId, PersonId] = (_NOBODY, _NOBODY)
    """Captain and deputy as the configuration last named them."""
    captain: PersonId = _NOBODY
    deputy: PersonId = _NOBODY
    away: bool = False
    """Whether the captain is declared away."""
    offered: PersonId = _NOBODY
    """Whom it was offered to, who has not answered yet."""
    facts: int = 0
    """How many facts led here."""

    @property
    def acting(self) -> PersonId:
        """Who acts as captain now: the deputy while the captain is away."""
        return self.deputy if self.away and self.deputy else self.captain


def fold(captaincy: Captaincy, fact: CaptaincyFact) -> None:
    """Take in what happened to it."""
    captaincy.facts += 1
    match fact:
        case CaptaincyBegun():
            captaincy.begun = (fact.captain, fact.deputy)
            captaincy.captain, captaincy.deputy = fact.captain, fact.deputy
            captaincy.away, captaincy.offered = False, _NOBODY
        case CaptaincyOffered():
            captaincy.offered = fact.to
        case CaptaincyDeclined():
            captaincy.offered = _NOBODY
        case CaptaincyPassed():
            # A deputy who takes it is their own deputy no longer.
            captaincy.deputy = _NOBODY if captaincy.deputy == fact.to else captaincy.deputy
            captaincy.captain, captaincy.away, captaincy.offered = fact.to, False, _NOBODY
        case CaptainAway():
            captaincy.away = fact.away
        case DeputyNamed():
            captaincy.deputy = fact.deputy


def objection(captaincy: Captaincy, word: Word, by: PersonId, to: PersonId = _NOBODY) -> str:
    """Say why somebody's word on the captaincy does not count; empty when it does.

    >>> objection(Captaincy(captain=PersonId("ada")), "hand-over", PersonId("bob"), PersonId("cy"))
    'ada acts as captain, and nobody else hands it over or names a deputy'
    """
    if not captaincy.captain:
        return "there is no captaincy: captain in captaincy.yaml names who begins"
    match word:
        case "hand-over" | "deputy":
            return next(_against_passing(captaincy, by, to), "")
        case "accept":
            return "" if by == captaincy.offered else _not_offered(captaincy, by)
        case "decline":
            may = captaincy.offered and by in {captaincy.offered, captaincy.acting}
            return "" if may else _not_offered(captaincy, by)
        case "away" | "back":
            return next(_against_away(captaincy, by, away=word == "away"), "")


def _against_passing(captaincy: Captaincy, by: PersonId, to: PersonId) -> Iterator[str]:
    if by != captaincy.acting:
        yield f"{captaincy.acting} acts as captain, and nobody else hands it over or names a deputy"
    if not to or to.startswith(AGENT):
        yield "name a person: no agent is captain, or a captain's deputy"
    if to == captaincy.captain:
        yield f"{to} is captain already"


def _against_away(captaincy: Captaincy, by: PersonId, *, away: bool) -> Iterator[str]:
    captain, deputy = captaincy.captain, captaincy.deputy
    if by not in {captain, deputy}:
        yield f"{captain} says that, or {deputy or 'a deputy'}, and nobody else"
    if away and not deputy:
        yield f"{captain} has no deputy, and somebody has to act: /captain deputy names one"
    if captaincy.away == away:
        yield f"{captain} is {'away' if away else 'there'} already"


def _not_offered(captaincy: Captaincy, by: PersonId) -> str:
    if not captaincy.offered:
        return "nobody was offered the captaincy"
    return f"{captaincy.offered} was offered it, and not {by}"
