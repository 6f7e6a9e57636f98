"""Rules: conditions people write in YAML, over facts derived here. The strictest rule that fired wins.

Conditions only compare; whatever takes thought (patterns, paths, provenance, time) is derived in Python,
typed and tested. A rule whose condition cannot be evaluated counts as fired: silence would be an open door.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from engine.core.provenance.heard import Origins
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.ids import RuleId, capability_name, capability_version
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.shell import ShellSeen
from engine.core.vocabulary.units import DAY_US, HOUR_US
from engine.core.vocabulary.verdicts import RULING_RANK, Answer, Check, RiskFound, Ruling, Wait

GATE = "rules"
_ABOUT_ORIGINS = "untrusted_targets"
_QUIET = Answer(gate=GATE, ruling="allow", rule="rules", owner="captain")


class Rule(Struct, frozen=True, kw_only=True):
    """One rule, as its policy file states it."""

    id: RuleId
    ruling: Ruling
    mode: Literal["enforce", "shadow"]
    reason: str
    wait: Wait
    """What a proposal waits for when the rule holds it."""
    owner: str
    when: str = ""
    """The condition, as its policy file has it."""


class Moment(Struct, frozen=True, gc=False):
    """Those facts about a proposal that may be new though all that the risk gate goes by was seen before."""

    proposal: Proposal
    texts: list[str]
    at_us: int
    origins: Origins

    @property
    def capability(self) -> str:
        """Without its version."""
        return capability_name(self.proposal.capability)

    @property
    def version(self) -> str:
        """Of the capability."""
        return capability_version(self.proposal.capability)

    @property
    def args_text(self) -> str:
        """Every text among the arguments."""
        return "\n".join(self.texts)

    @property
    def hour_utc(self) -> int:
        """Hour of the day."""
        return self.at_us % DAY_US // HOUR_US

    @property
    def weekday(self) -> int:
        """Day of the week. 1970-01-01 was a Thursday, day 4."""
        return (self.at_us // DAY_US + 3) % 7 + 1


class Asked(Moment, frozen=True, gc=False):
    """The facts about one proposal, under the names that conditions use. `RULE_FACTS` says what they mean."""

    kind: str
    reversible: bool
    cost_usd: float
    confidence: float
    risk: str
    risk_score: int
    destructive: bool
    protected: bool
    in_production: bool
    shell: ShellSeen


def ask(  # noqa: PLR0917 - it runs for every proposal, and keywords are slower
    proposal: Proposal,
    texts: list[str],
    action: Action | None,
    found: RiskFound,
    origins: Origins,
    at_us: int,
) -> Asked:
    """Derive the facts about one proposal. `None` for an action that is not in the registry."""
    risk = found.risk
    return Asked(
        proposal,
        texts,
        at_us,
        origins,
        action.kind if action is not None else "unknown",
        action is not None and action.undo is not None,
        float(proposal.impact.cost_usd),
        proposal.confidence or 0.0,
        str(risk.level),
        risk.score,
        found.destructive,
        found.protected,
        found.in_production,
        found.shell,
    )


class RuleFact(Struct, frozen=True):
    """One name a condition may use: its type in the condition language, its meaning, where it lies."""

    type: Literal["string", "int", "double", "bool"]
    meaning: str
    path: str = ""
    """Within `Asked`; empty when it has the same name there."""
    passing: bool = False
    """Whether it lies in `Moment` already."""


class Fired(Struct, frozen=True):
    """One rule that fired; `failed` when its condition could not be evaluated."""

    rule: Rule
    failed: bool = False
    read: str = ""
    """The facts the condition reads, as they were: `files 7, kind write`."""


@runtime_checkable
class RuleBook(Protocol):
    """Compiled rules."""

    def read(self, asked: Asked, /) -> tuple[Any, ...]:
        """Return the values of the facts the rules read (see `reader`)."""

    def fired(self, values: tuple[Any, ...]) -> tuple[Fired, ...]:
        """Return the rules that fire on what `read` returned, in the order of the policy files."""

    def passing(self, moment: Moment, /) -> tuple[Any, ...]:
        """Return the values of those facts the rules read that are `passing`."""

    def quiet(self, asked: Asked, /) -> set[tuple[Any, ...]] | None:
        """Return where to remember at which `passing` values no rule fires, all other facts being alike.

        `None` when that is not worth it.
        """


RULE_FACTS: dict[str, RuleFact] = {
    "action": RuleFact("string", "name of the action", "proposal.action"),
    "agent": RuleFact("string", "id of the agent", "proposal.agent", passing=True),
    "capability": RuleFact("string", "name of the capability, without its version", passing=True),
    "version": RuleFact("string", "version of the capability", passing=True),
    "environment": RuleFact(
        "string", "where it acts, as the agent states it; empty if not stated", "proposal.environment"
    ),
    "kind": RuleFact("string", "`read`, `write`, or `unknown`"),
    "reversible": RuleFact("bool", "whether the registry names an undo"),
    "cost_usd": RuleFact("double", "estimated cost, US dollars"),
    "files": RuleFact("int", "estimated number of files changed", "proposal.impact.files"),
    "api_calls": RuleFact("int", "estimated number of API calls", "proposal.impact.api_calls"),
    "confidence": RuleFact("double", "the agent's confidence, 0 to 1; 0 when it gave none"),
    "risk": RuleFact("string", "risk level, `SAFE` to `DESTRUCTIVE`"),
    "risk_score": RuleFact("int", "risk score, 0 to 100"),
    "destructive": RuleFact(
        "bool", "whether a destructive pattern matched, or a command has a destructive form"
    ),
    "protected": RuleFact("bool", "whether a protected path is touched"),
    "in_production": RuleFact("bool", "whether it acts on one of the policy's production environments"),
    "shell": RuleFact(
        "string",
        "what is known of its command: `ok`, `unsure`, `hit`; `none` without a command",
        "shell.word",
    ),
    "shell_form": RuleFact(
        "string", "which harmful form it has or what could not be shown, such as `remove-tree`", "shell.form"
    ),
    "shell_reason": RuleFact("string", "the same in words, with the command it is about", "shell.reason"),
    "untrusted_targets": RuleFact(
        "int",
        "addresses, accounts, paths, ids and names among the arguments that only untrusted tools have named "
        "in this episode",
        "origins.untrusted",
        passing=True,
    ),
    "unknown_targets": RuleFact(
        "int",
        "e-mail addresses, accounts and URLs among them that nothing in this episode has named",
        "origins.unknown",
        passing=True,
    ),
    "args_text": RuleFact("string", "every text among the arguments, one a line", passing=True),
    "hour_utc": RuleFact("int", "hour of the day, 0 to 23, UTC", passing=True),
    "weekday": RuleFact("int", "day of the week, 1 Monday to 7 Sunday, UTC", passing=True),
}


QUIET: tuple[Answer, tuple[RuleId, ...]] = (_QUIET, ())
"""What is returned when no rule fires."""


def judge(book: RuleBook, asked: Asked) -> tuple[Answer, tuple[RuleId, ...]]:
    """Return the answer of all enforced rules, and the ids of rules in shadow mode that would have fired."""
    fired = book.fired(book.read(asked))
    if not fired:
        return QUIET
    shadow = tuple([hit.rule.id for hit in fired if hit.rule.mode == "shadow"])
    enforced = [hit for hit in fired if hit.rule.mode == "enforce"]
    if not enforced:
        return _QUIET, shadow
    # Of several equally strict rules the one that stands first in the policy files speaks for all.
    first = max(enforced, key=lambda hit: RULING_RANK[_ruling(hit)])
    ruling = _ruling(first)
    also = [hit.rule.id for hit in enforced if hit is not first]
    reason = (
        first.rule.reason if not first.failed else f"the condition of {first.rule.id} could not be evaluated"
    )
    if asked.origins.told and any(_ABOUT_ORIGINS in hit.rule.when for hit in enforced):
        reason += f": {asked.origins.told}"
    return (
        Answer(
            gate=GATE,
            ruling=ruling,
            reason=reason + (f" (also fired: {', '.join(also)})" if also else ""),
            rule=first.rule.id,
            owner=first.rule.owner,
            checks=tuple([Check(hit.rule.id, hit.read, hit.rule.when) for hit in enforced]),
            waits=()
            if ruling == "deny"
            else tuple(dict.fromkeys([hit.rule.wait for hit in enforced if _ruling(hit) != "allow"])),
        ),
        shadow,
    )


def reader(names: tuple[str, ...]) -> Callable[[Moment], tuple[Any, ...]]:
    """Make the function that reads these facts, of `RULE_FACTS`, in their order."""
    paths = [RULE_FACTS[name].path or name for name in names]
    if len(paths) > 1:
        return attrgetter(*paths)
    # Of a single path `attrgetter` returns the bare value, and of none it will not hear.
    return lambda moment: tuple([attrgetter(path)(moment) for path in paths])


def _ruling(hit: Fired) -> Ruling:
    """A failed condition holds for a person, unless its rule is stricter still."""
    if hit.failed and RULING_RANK[hit.rule.ruling] < RULING_RANK["escalate"]:
        return "escalate"
    return hit.rule.ruling
