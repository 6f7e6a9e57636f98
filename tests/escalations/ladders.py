"""Escalations for tests: a roster of three people, ladders, and a keeper without an engine around it."""

from msgspec import structs

from engine.core.evolve import evolve
from engine.core.state import State
from engine.core.vocabulary.escalation_facts import EscalationFact, EscalationRaised, NotificationReported
from engine.core.vocabulary.escalations import Failure, Ladder, LeftOut, Rung, code_of, escalation_id
from engine.core.vocabulary.facts import Fact
from engine.core.vocabulary.ids import Digest, EscalationId, NotificationId, PersonId
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.core.work.escalations.climbing import DELIVERY_OF, due, next_us, retry_us
from engine.core.work.escalations.roster import Duty
from engine.core.work.escalations.standing import Escalation

CALLS = Rung(to=("on-call:primary",), by=("call", "sms"), wait_us=60 * SECOND_US, repeat=1)
CHAT = Rung(to=("on-call:primary",), by=("slack",), post=("slack-channel",), wait_us=30 * SECOND_US)
ALL = Rung(to=("everyone",), by=("call",), wait_us=120 * SECOND_US)
LADDER = Ladder(
    name="standard",
    rungs=(CHAT, CALLS, ALL),
    rounds=2,
    ask_again_us=30 * MINUTE_US,
    answer_us=5 * MINUTE_US,
)


class Crew:
    """A roster: ada is on call, ben and cy are there. Nobody sleeps, unless a test says so."""

    def __init__(self) -> None:
        self.on_call: tuple[str, ...] = ("ada",)
        self.asleep: dict[str, int] = {}
        """Until when quiet hours keep loud channels from somebody."""
        self.without: set[tuple[str, str]] = set()
        """Who has no address on what channel."""

    def found(self, target, _at_us, _duty):
        if target == "everyone":
            return (PersonId("ada"), PersonId("ben"), PersonId("cy"))
        return tuple(map(PersonId, self.on_call)) if target.startswith("on-call:") else (PersonId(target),)

    def against(self, person, channel, _severity, at_us):
        if (person, channel) in self.without:
            return LeftOut(who=person, channel=channel, why=f"{person} has no address for {channel}")
        until_us = self.asleep.get(person, 0)
        if channel in {"call", "sms"} and until_us > at_us:
            return LeftOut(who=person, channel=channel, why="quiet hours", until_us=until_us)
        return None

    def has_person(self, person):
        return person in {"ada", "ben", "cy"}

    def has_schedule(self, schedule):
        return schedule == "primary"

    def rings(self, channel):
        return channel == "call"


class Bridge:
    """Folds facts and asks the core what is due, on a clock of its own. What it did is in `facts`."""

    def __init__(self, ladder: Ladder = LADDER) -> None:
        self.state, self.crew, self.ladder = State(), Crew(), ladder
        self.now_us = 1_000_000_000_000_000
        self.facts: list[Fact] = []

    def take(self, fact: Fact) -> None:
        self.facts.append(fact)
        evolve(self.state, fact)

    def raise_(self, key: str = "decision:d_1", **changes) -> EscalationId:
        name = escalation_id(key, self.now_us)
        fact = EscalationRaised(
            at_us=self.now_us,
            escalation_id=name,
            code=code_of(name, frozenset()),
            key=key,
            group=key,
            kind="request",
            severity="critical",
            summary="deploy waits for a responder",
            by="engine",
            ladder=self.ladder,
            ladders_hash=Digest(""),
        )
        self.take(structs.replace(fact, **changes))
        self.settle()
        return name

    def __getitem__(self, name: EscalationId) -> Escalation:
        return self.state.escalations.by_id[name]

    def settle(self) -> None:
        """Do everything that is due now."""
        for name in list(self.state.escalations.by_id):
            while (known := self.state.escalations.by_id.get(name)) is not None:
                fact = due(name, known, self.crew, Duty(), self.now_us)
                if fact is None:
                    upcoming = next_us(known)
                    assert upcoming is None or upcoming > self.now_us, "due, and nothing to do about it"
                    break
                self.take(fact)

    def until(self, at_us: int) -> None:
        """Let time pass, stopping wherever something is due."""
        while True:
            upcoming = [
                each
                for known in self.state.escalations.by_id.values()
                if (each := next_us(known)) is not None
            ]
            if not upcoming or min(upcoming) > at_us:
                break
            self.now_us = max(self.now_us, min(upcoming))
            self.settle()
        self.now_us = at_us

    def wait(self, seconds: float) -> None:
        self.until(self.now_us + round(seconds * SECOND_US))

    def report(self, notification: NotificationId, delivery="accepted", failure: Failure | None = None):
        """Say what became of a notification, as the keeper would."""
        name = EscalationId(notification.rpartition(".")[0])
        sending = self[name].sendings[notification]
        self.take(
            NotificationReported(
                at_us=self.now_us,
                escalation_id=name,
                notification_id=notification,
                attempt=sending.notification.attempt,
                delivery=DELIVERY_OF[failure] if failure else delivery,
                **({"kind": failure} if failure else {}),
                retry_us=retry_us(sending.notification, failure, None, self.now_us) if failure else None,
            )
        )
        self.settle()

    def told(self, kind: type[EscalationFact]) -> list:
        """Return all facts of a kind so far."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def to_send(self, name: EscalationId) -> list[tuple[str, str, str]]:
        """Return what is still to be sent: person, channel and purpose each."""
        return [
            (sending.notification.person, sending.notification.channel, sending.notification.purpose)
            for sending in self[name].sendings.values()
            if sending.is_open
        ]

    def send_all(self, name: EscalationId) -> list[tuple[str, str, str]]:
        """Have everything accepted that is to be sent, and return what it was."""
        sent = self.to_send(name)
        for each in [one for one, sending in self[name].sendings.items() if sending.is_open]:
            self.report(each)
        return sent
