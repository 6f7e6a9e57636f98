"""Every command there is, each with its words, its role and its arguments.

Help, menus and docs come from here.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self

from engine.commands.answering import (
    Approve,
    ApproveAll,
    Ask,
    Ballot,
    Change,
    Code,
    Deny,
    Enrol,
    Settle,
    StandingAllow,
    StandingList,
    StandingRevoke,
)
from engine.commands.captain_words import (
    CaptainAccept,
    CaptainAway,
    CaptainBack,
    CaptainDecline,
    CaptainDeputy,
    CaptainHandOver,
    CaptainShow,
)
from engine.commands.kinds import (
    ANY_DECISION,
    WHAT,
    WHY,
    DecisionKey,
    Reason,
    Scope,
    checked_scope,
    why,
)
from engine.commands.language import Command, Given, Language, argument
from engine.commands.policy_words import PolicySave
from engine.commands.wake_words import (
    Ack,
    Drill,
    Escalations,
    Hand,
    OnCallCover,
    OnCallRestore,
    OnCallShow,
    OnCallSwap,
    Page,
    Pass,
    Resolve,
    Snooze,
    Take,
)
from engine.core.vocabulary.people_facts import Role

# ---------------------------------------------------------------- the override


class Kill(Command):
    """Stop autonomy at once. Needs no confirmation, and works with the engine stopped."""

    words = "kill-autonomous"
    role: ClassVar[Role] = "responder"
    changes = True
    tone = "danger"
    lenient = True
    scope: Scope = argument(WHAT, "all", complete="scope")
    reason: str = argument(WHY, "", rest=True)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it leniently: whoever stops everything should not have to mind their words.

        What does not begin with a scope is all of it reason, and everything is stopped.
        """
        first, _, left = text.strip().partition(" ")
        try:
            return cls(scope=checked_scope(first or "all"), reason=left.strip())
        except ValueError:
            return cls(scope="all", reason=text.strip())

    @classmethod
    def build(cls, values: Mapping[str, Any]) -> Self:
        """Make it from options as leniently as from words."""
        return cls.read(" ".join(str(values[name]) for name in ("scope", "reason") if values.get(name)))


class Resume(Command):
    """Lift one stop."""

    words = "resume-autonomous"
    role: ClassVar[Role] = "captain"
    changes = True
    asks_first = True
    scope: Scope = argument(WHAT, complete="stop")
    reason: str = argument("Why it is safe to go on", rest=True, min_length=1, max_length=500)


class Override(Command):
    """Overrule one decision: veto stops it for good and takes back what it did, allow ends its waiting."""

    words = "captain-override"
    role: ClassVar[Role] = "captain"
    changes = True
    asks_first = True
    tone = "danger"
    decision_id: DecisionKey = argument(ANY_DECISION, complete="decision")
    word: Literal["veto", "allow"] = argument("Stop it for good, or let it go on")
    reason: Reason = why()


class Vote(Command):
    """Vote on a decision that waits for votes; the last vote counts."""

    words = "vote"
    role: ClassVar[Role] = "responder"
    changes = True
    decision_id: DecisionKey = argument(ANY_DECISION, complete="held")
    choice: Literal["for", "against", "abstain"] = argument("What you say to it")
    rationale: str = argument("Why, for everybody to read", "", rest=True, max_length=500)


class Decline(Command):
    """Decline what is recommended."""

    words = "decline"
    role: ClassVar[Role] = "responder"
    changes = True
    decision_id: DecisionKey = argument(ANY_DECISION, complete="held")
    reason: str = argument("Why: the agent is told", rest=True, min_length=1, max_length=500)


class Undo(Command):
    """Take back what a decision did."""

    words = "undo"
    role: ClassVar[Role] = "responder"
    changes = True
    asks_first = True
    decision_id: DecisionKey = argument("Id of a decision, or of an undo", complete="decision")
    reason: Reason = why()


class Rate(Command):
    """Say what a decision was worth: it counts for how far its capability's confidence is trusted."""

    words = "rate"
    role: ClassVar[Role] = "responder"
    changes = True
    decision_id: DecisionKey = argument(ANY_DECISION, complete="decision")
    rating: Literal["useful", "wrong", "late"] = argument("What it was worth")
    reason: Reason = why()


# ---------------------------------------------------------------- looking


class Status(Command):
    """See how everything is."""

    words = "status"
    role: ClassVar[Role] = "viewer"


class Decisions(Command):
    """See what waits for people, or the newest decisions."""

    words = "decisions"
    role: ClassVar[Role] = "viewer"
    which: Literal["waiting", "all", "allow", "hold", "deny"] = argument("Which of them", "waiting")
    agent: str = argument("Only of this agent", "", complete="agent")


class Recommendations(Command):
    """See what is recommended, what became of it, and what happened after."""

    words = "recommendations"
    role: ClassVar[Role] = "viewer"
    which: Literal["all", "waiting", "taken", "declined", "ignored"] = argument("Which of them", "all")


class Explain(Command):
    """See the path of a decision as a tree: proposal, gates, answers, effects, and what came of it."""

    words = "explain"
    role: ClassVar[Role] = "viewer"
    decision_id: DecisionKey = argument(ANY_DECISION, complete="decision")


class Audit(Command):
    """See who did what: commands, answers, stops and steps, the newest first."""

    words = "audit"
    role: ClassVar[Role] = "viewer"
    person: str = argument("Only of this person", "", complete="person")


class Agents(Command):
    """See the agents that were heard of, and what they did lately."""

    words = "agents"
    role: ClassVar[Role] = "viewer"


class Budget(Command):
    """See what was spent, and what is left of the windows in force."""

    words = "budget"
    role: ClassVar[Role] = "viewer"
    agent: str = argument("Of this agent", "", complete="agent")


class Limits(Command):
    """See the limits in force, and who may change them."""

    words = "limits"
    role: ClassVar[Role] = "viewer"


class Calibration(Command):
    """See how far confidences came true, for every capability and rule, or one of them tenth by tenth."""

    words = "calibration"
    role: ClassVar[Role] = "viewer"
    capability: str = argument("Capability such as heal@2, or rule:NAME", "", complete="version")


# ---------------------------------------------------------------- rollouts


class CanaryStatus(Command):
    """See how one rollout stands, or all."""

    words = "canary status"
    role: ClassVar[Role] = "viewer"
    capability: str = argument("Name of a capability", "", complete="capability")


class CanaryPromote(Command):
    """Ask for the next step of a version. Evidence decides."""

    words = "canary promote"
    role: ClassVar[Role] = "captain"
    changes = True
    asks_first = True
    capability: str = argument("Capability and version, such as heal@2", complete="version", min_length=1)
    reason: str = argument(WHY, rest=True, min_length=1, max_length=500)


class CanaryPause(Command):
    """Hold a rollout where it is."""

    words = "canary pause"
    role: ClassVar[Role] = "responder"
    changes = True
    capability: str = argument("Name of a capability", complete="capability", min_length=1)
    reason: str = argument(WHY, rest=True, min_length=1, max_length=500)


class CanaryResume(Command):
    """Lift what holds a rollout back."""

    words = "canary resume"
    role: ClassVar[Role] = "responder"
    changes = True
    capability: str = argument("Name of a capability", complete="capability", min_length=1)
    reason: str = argument("The reason to lift; all when left out", "", rest=True)


class CanaryAbort(Command):
    """Take away the authority of the version on its way, or else of the live one."""

    words = "canary abort"
    role: ClassVar[Role] = "captain"
    changes = True
    asks_first = True
    tone = "danger"
    capability: str = argument("Name of a capability", complete="capability", min_length=1)
    reason: str = argument(WHY, rest=True, min_length=1, max_length=500)


class CanaryHistory(Command):
    """See every step of a capability's rollouts."""

    words = "canary history"
    role: ClassVar[Role] = "viewer"
    capability: str = argument("Name of a capability", complete="capability", min_length=1)


class ShadowReport(Command):
    """See where a version in shadow differs from the incumbent, and why."""

    words = "shadow report"
    role: ClassVar[Role] = "viewer"
    capability: str = argument("Name of a capability", complete="capability", min_length=1)


# ---------------------------------------------------------------- replays


class ReplayStart(Command):
    """Replay a recording under a policy, and compare with another."""

    words = "replay start"
    role: ClassVar[Role] = "responder"
    changes = True
    recording: str = argument("Name of a recording", complete="recording", min_length=1)
    policy: str = argument("Name of a policy folder; the one in force when left out", "", complete="policy")
    against: str = argument("Another to compare with; in-force: the one in force", "", complete="policy")


class ReplayStatus(Command):
    """See how far the replays are."""

    words = "replay status"
    role: ClassVar[Role] = "viewer"
    job: str = argument("One of them", "", complete="job")


class ReplayCancel(Command):
    """End a replay before its time."""

    words = "replay cancel"
    role: ClassVar[Role] = "responder"
    changes = True
    job: str = argument("Which of them", complete="job", min_length=1)


class ReplayReport(Command):
    """Get the report of a replay that is over."""

    words = "replay report"
    role: ClassVar[Role] = "viewer"
    job: str = argument("Which of them", complete="job", min_length=1)


# ---------------------------------------------------------------- snapshots


class Snapshot(Command):
    """Copy journal, configuration and workspace now."""

    words = "snapshot"
    role: ClassVar[Role] = "responder"
    changes = True


class Restore(Command):
    """Bring the workspace back to how it was in a snapshot."""

    words = "restore"
    role: ClassVar[Role] = "captain"
    changes = True
    asks_first = True
    tone = "danger"
    snapshot_id: str = argument("Id of a snapshot, or latest", complete="snapshot", min_length=1)


# ---------------------------------------------------------------- people


class Link(Command):
    """Link this account to you with a code, or get a code to link another account of yours."""

    words = "link"
    # Whoever redeems a code has no role yet.
    role: ClassVar[Role] = "viewer"
    changes = True
    code: str = argument("The code you were given; leave it out to get one", "")

    def line(self) -> str:
        """Write it without the code: many read the journal, and a code makes whoever says it somebody."""
        return self.words


class Unlink(Command):
    """Take the link of this account away."""

    words = "unlink"
    role: ClassVar[Role] = "viewer"
    changes = True


class Whoami(Command):
    """See who you are here, and what you may do."""

    words = "whoami"
    role: ClassVar[Role] = "viewer"


class Help(Command):
    """See what can be said."""

    words = "help"
    role: ClassVar[Role] = "viewer"
    command: str = argument("A command to explain", "", complete="command", rest=True)


class Yes(Command):
    """Confirm what was asked."""

    words = "yes"
    role: ClassVar[Role] = "viewer"
    listed = False
    token: str = argument("Of the question", min_length=1)


class No(Command):
    """Take back what would have been confirmed."""

    words = "no"
    role: ClassVar[Role] = "viewer"
    listed = False
    token: str = argument("Of the question", min_length=1)


LANGUAGE: Final = Language((
    Kill, Resume, Override, Approve, Change, ApproveAll, Deny, Ask, Vote, Take, Decline, Ack,
    Snooze, Hand, Pass, Resolve, Page, Drill,
    Ballot, Settle, StandingAllow, StandingList, StandingRevoke, Undo, Rate,
    CaptainShow, CaptainHandOver, CaptainAccept, CaptainDecline, CaptainAway, CaptainBack, CaptainDeputy,
    OnCallShow, OnCallCover, OnCallSwap, OnCallRestore,
    Status, Decisions, Escalations, Recommendations, Explain, Audit, Agents, Budget, Limits, Calibration,
    CanaryStatus, CanaryPromote, CanaryPause, CanaryResume, CanaryAbort, CanaryHistory, ShadowReport,
    ReplayStart, ReplayStatus, ReplayCancel, ReplayReport,
    Snapshot, Restore, PolicySave,
    Link, Unlink, Enrol, Whoami, Help, Yes, No, Code,
))  # fmt: skip
"""The command language."""


def stops(said: str | Command | Given) -> bool:
    """Whether this is a stop, which nothing else may keep waiting.

    >>> stops("/kill-autonomous agent:bob"), stops("status")
    (True, False)
    """
    if isinstance(said, str):
        first, _, _ = said.strip().removeprefix("/").partition(" ")
        return first.casefold() == Kill.words
    return isinstance(said, Kill) or (isinstance(said, Given) and said.kind is Kill)
