"""The commands by which people see what somebody is woken for, answer it, and see who is on call."""

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator

from engine.commands.kinds import Reason, why
from engine.commands.language import Command, argument
from engine.commands.spans import length_us
from engine.core.vocabulary.people_facts import Role
from engine.errors import InputError

_WHICH: Final = re.compile(r"e_[0-9a-f]{15}|\d{4}|d_[0-9a-f]{15}")
ANY_ESCALATION: Final = "Its four digits, its id, or the decision it is about"


def _which(text: str) -> str:
    bare = text.removeprefix("#")
    if _WHICH.fullmatch(bare) is None:
        raise ValueError(f"{text!r} is no escalation; say its four digits, as /escalations shows them")
    return bare


def _time(text: str) -> str:
    length = text.removeprefix("for ").strip()
    try:
        length_us(length)
    except InputError as wrong:
        raise ValueError(f"{wrong.message}; {wrong.cure}") from None
    return length


EscalationKey = Annotated[str, AfterValidator(_which)]
"""Names an escalation: by its code, its id, or a decision it is about."""
To = Annotated[str, AfterValidator(lambda text: text.removeprefix("to ").strip())]
"""Somebody, with or without the word in front that people say."""
Length = Annotated[str, AfterValidator(_time)]


def is_decision(which: str) -> bool:
    """Whether a key names a decision."""
    return which.startswith("d_")


class Ack(Command):
    """Say that you are awake and have it, so that nobody else is woken."""

    words = "ack"
    role: ClassVar[Role] = "responder"
    changes = True
    which: EscalationKey = argument(ANY_ESCALATION, complete="wanted")

    @property
    def decision_id(self) -> str:
        """The decision it names; empty where it names none."""
        return self.which if is_decision(self.which) else ""


class Take(Command):
    """Take what is recommended, by letting it run or by hand, or what somebody was woken for."""

    words = "take"
    role: ClassVar[Role] = "responder"
    changes = True
    tone = "good"
    which: EscalationKey = argument(
        "Id of a decision, or the four digits of an escalation", complete="wanted"
    )
    how: Literal["run", "did"] = argument("Let it run, or did you do it yourself", "run")
    reason: Reason = why()

    @property
    def decision_id(self) -> str:
        """The decision it names; empty where it names none."""
        return self.which if is_decision(self.which) else ""


class Snooze(Command):
    """Take it, and be reminded later: /snooze 4711 for 30m."""

    words = "snooze"
    role: ClassVar[Role] = "responder"
    changes = True
    which: EscalationKey = argument(ANY_ESCALATION, complete="escalation")
    time: Length = argument("For how long, such as 30m or 2h", "30m", rest=True, max_length=40)


class Hand(Command):
    """Give it to somebody else, who is woken: /hand 4711 to bob."""

    words = "hand"
    role: ClassVar[Role] = "responder"
    changes = True
    which: EscalationKey = argument(ANY_ESCALATION, complete="escalation")
    person: To = argument("Who is to have it", complete="person", rest=True, min_length=1, max_length=64)


class Pass(Command):
    """Have the next one woken at once."""

    words = "pass"
    role: ClassVar[Role] = "responder"
    changes = True
    which: EscalationKey = argument(ANY_ESCALATION, complete="escalation")


class Resolve(Command):
    """End it: nobody is needed any more."""

    words = "resolve"
    role: ClassVar[Role] = "responder"
    changes = True
    tone = "good"
    which: EscalationKey = argument(ANY_ESCALATION, complete="escalation")
    reason: Reason = why()


class Escalations(Command):
    """See what people are being woken for, or all about one of them."""

    words = "escalations"
    role: ClassVar[Role] = "viewer"
    which: EscalationKey = argument(ANY_ESCALATION, "", complete="escalation")


class Page(Command):
    """Wake somebody: /page critical the shop is down, or by the name of a ladder."""

    words = "page"
    role: ClassVar[Role] = "responder"
    changes = True
    tone = "danger"
    to: str = argument("warning or critical, or the name of a ladder", complete="ladder", min_length=1)
    text: str = argument("What is asked, in a line", rest=True, min_length=1, max_length=300)


class Drill(Command):
    """Ring a ladder for real, and say that it is a drill."""

    words = "drill"
    role: ClassVar[Role] = "responder"
    changes = True
    asks_first = True
    ladder: str = argument("Name of a ladder; without it, as the routes say", "", complete="only-ladder")


class OnCallShow(Command):
    """See who is on call now and next, and who is awake."""

    words = "oncall show"
    role: ClassVar[Role] = "viewer"
    schedule: str = argument("Name of a schedule", "", complete="schedule")


class OnCallCover(Command):
    """Put somebody on call for a while: /oncall cover primary bob from Tue 09:00 until Wed 09:00."""

    words = "oncall cover"
    role: ClassVar[Role] = "responder"
    changes = True
    schedule: str = argument("Name of a schedule", complete="schedule", min_length=1)
    person: str = argument("Who is on call then", complete="person", min_length=1, max_length=64)
    when: str = argument("from … until …, until …, or for …", rest=True, min_length=1, max_length=120)


class OnCallSwap(Command):
    """Swap your next turn with somebody else's. It shows exactly which."""

    words = "oncall swap"
    role: ClassVar[Role] = "responder"
    changes = True
    asks_first = True
    schedule: str = argument("Name of a schedule", complete="schedule", min_length=1)
    person: str = argument("With whom", complete="person", min_length=1, max_length=64)
    shown: str = argument("Filled in by the question: which turns they are", "", max_length=120)


class OnCallRestore(Command):
    """Take such a change back."""

    words = "oncall restore"
    role: ClassVar[Role] = "responder"
    changes = True
    change: str = argument("Which of them, such as c12", complete="change", min_length=1, max_length=64)
