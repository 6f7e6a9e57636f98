"""The commands by which people answer what waits for them: one by one, together, and beforehand."""

import re
from typing import ClassVar, Final, Literal, Self

from pydantic import field_validator

from engine.commands.kinds import ANY_DECISION, DecisionKey, DecisionKeys, Reason, why
from engine.commands.language import Command, argument
from engine.core.vocabulary.people_facts import Role

_STANDING: Final = re.compile(
    r"(?P<action>\S+)(?P<args>(?:\s+[A-Za-z_]\w*=\S+)*)\s+for\s+(?P<minutes>\d+)(?:\s*min(?:utes)?)?"
    r"(?:\s+(?P<reason>.*))?",
    re.DOTALL,
)


_CHANGE: Final = re.compile(r"\s*(?P<name>[A-Za-z_]\w*)=(?P<value>\"[^\"]*\"|'[^']*'|\S*)")


class Approve(Command):
    """Let a decision go on that waits for people."""

    words = "approve"
    role: ClassVar[Role] = "responder"
    changes = True
    tone = "good"
    decision_id: DecisionKey = argument(ANY_DECISION, complete="held")
    reason: Reason = why()

    @field_validator("reason")
    @classmethod
    def _unchanged(cls, reason: str) -> str:
        """Refuse what would approve unchanged what was to be changed."""
        first, _, rest = reason.partition(" ")
        if _CHANGE.match(reason) or (first.casefold() == "with" and _CHANGE.match(rest)):
            raise ValueError("to approve it with changes say /change, or /approve ID with name=value")
        return reason


class Change(Command):
    """Approve a decision with changes: /approve ID with cost=20 service=web, and then why."""

    words = "change"
    role: ClassVar[Role] = "responder"
    changes = True
    tone = "good"
    said_as: ClassVar[tuple[str, str]] = ("approve", "with")
    decision_id: DecisionKey = argument(ANY_DECISION, complete="held")
    what: str = argument("What to change, each as name=value, and then why", rest=True, max_length=500)

    @property
    def values(self) -> dict[str, str]:
        """What is to be otherwise, by name, as it was typed."""
        return self._parts()[0]

    @property
    def reason(self) -> str:
        """Why."""
        return self._parts()[1]

    def _parts(self) -> tuple[dict[str, str], str]:
        values, left = {}, self.what
        while (found := _CHANGE.match(left)) is not None:
            value = found["value"]
            values[found["name"]] = value[1:-1] if value[:1] in {'"', "'"} and len(value) > 1 else value
            left = left[found.end() :]
        return values, left.strip()

    @field_validator("what")
    @classmethod
    def _named(cls, what: str) -> str:
        if _CHANGE.match(what) is None:
            raise ValueError("say what to change as name=value, such as cost=20; the reason stands behind it")
        return what


class ApproveAll(Command):
    """Approve equal decisions together. It shows exactly which."""

    words = "approve-all"
    role: ClassVar[Role] = "responder"
    changes = True
    asks_first = True
    tone = "good"
    group: str = argument("A group that /decisions shows, such as g_1f2e3d4c", min_length=1)
    shown: str = argument("Filled in by the question: which of them, and what they are", "")
    reason: Reason = why()


class Ask(Command):
    """Ask the agent about what it wants; its answer comes into the decision's message."""

    words = "ask"
    role: ClassVar[Role] = "responder"
    changes = True
    decision_id: DecisionKey = argument(ANY_DECISION, complete="held")
    question: str = argument("What you want to know", rest=True, min_length=1, max_length=500)


class Deny(Command):
    """Refuse a decision that waits for people."""

    words = "deny"
    role: ClassVar[Role] = "responder"
    changes = True
    decision_id: DecisionKey = argument(ANY_DECISION, complete="held")
    reason: str = argument("Why: the agent is told", rest=True, min_length=1, max_length=500)


class Code(Command):
    """Give the one-time code that was asked for."""

    words = "code"
    role: ClassVar[Role] = "viewer"
    listed = False
    token: str = argument("Of the question", min_length=1)
    code: str = argument("The six digits", rest=True, min_length=1, max_length=20)

    def line(self) -> str:
        """Write it without the code, which nobody but its person is to know."""
        return self.words


class StandingAllow(Command):
    """Approve an action beforehand, for a while: /standing allow service.restart service=web for 30 why."""

    words = "standing allow"
    role: ClassVar[Role] = "responder"
    changes = True
    asks_first = True
    tone = "danger"
    action: str = argument("Name of an action", complete="action", min_length=1)
    minutes: int = argument("For how many minutes: 480 at most, over 60 takes a captain", ge=1, le=480)
    args: str = argument("What arguments must be, such as service=web-*", "", max_length=300)
    reason: Reason = why()

    @property
    def given(self) -> dict[str, str]:
        """The arguments by name."""
        return dict(one.split("=", 1) for one in self.args.split())

    @field_validator("args")
    @classmethod
    def _named(cls, args: str) -> str:
        for one in args.split():
            if re.fullmatch(r"[A-Za-z_]\w*=[^*]*\*?", one) is None:
                raise ValueError(f"{one!r} is no name=value; a * may stand at the end")
        return args

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it as people say it, with `for`, or by names as every command."""
        found = _STANDING.fullmatch(text.strip())
        return cls.build(found.groupdict("")) if found is not None else super().read(text)


class StandingList(Command):
    """See what is approved beforehand."""

    words = "standing list"
    role: ClassVar[Role] = "viewer"


class StandingRevoke(Command):
    """End what is approved beforehand, at once."""

    words = "standing revoke"
    role: ClassVar[Role] = "responder"
    changes = True
    standing_id: str = argument("Which of them, such as s_1f2e3d4c", complete="standing", min_length=1)
    reason: str = why()


class Enrol(Command):
    """Get one-time codes, which approving anything of class A takes."""

    words = "enrol"
    role: ClassVar[Role] = "responder"
    changes = True


class Ballot(Command):
    """Vote among decisions that want the same; the last ballot counts."""

    words = "ballot"
    role: ClassVar[Role] = "responder"
    changes = True
    decisions: DecisionKeys = argument(
        "Those you could live with, or the best first: ids with commas between", complete="held",
        min_length=1, max_length=500,
    )  # fmt: skip
    choice: Literal["choose", "abstain"] = argument("Choose them, or none of them", "choose")
    rationale: str = argument("Why, for everybody to read", "", rest=True, max_length=500)


class Settle(Command):
    """Say which of those that want the same gets it, where the ballots left it open."""

    words = "settle"
    role: ClassVar[Role] = "captain"
    changes = True
    decision_id: DecisionKey = argument(ANY_DECISION, complete="held")
    reason: Reason = why()
