"""What comes in: bodies and queries, checked strictly; a key that is not known is refused."""

import re
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from bot.http_api.message_bodies import STRICT, MessageBody
from engine.adapters.redaction import redact
from engine.core.vocabulary.captaincy import Word
from engine.core.vocabulary.facts import Scope
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    EpisodeId,
    PersonId,
    ProposalId,
)
from engine.core.vocabulary.proposals import Impact, Option, Proposal
from engine.core.vocabulary.voting import Choice

# The names that agents and people give to things: printable, without what would end a path or a line.
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127}$"
KEY: Final = r"^[A-Za-z0-9._~:+=-]{1,100}$"
_SCOPE: Final = r"^(all|(agent|capability|action):[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,127})$"
_MOST_USD: Final = 10**12
_FINEST: Final = Decimal(1).scaleb(-12)
_DIGITS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]{5,15}([Zz]|[+-][0-9]{2}:?[0-9]{2})?")

Name = Annotated[str, Field(pattern=_NAME)]
Text = Annotated[str, Field(max_length=10_000)]
Reason = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"\S")]


def _amount(given: object) -> object:
    """Take a number or its text. What is finer than 10⁻¹² is rounded up: no limit is slipped under."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        # pydantic makes a complaint of a ValueError only.
        raise ValueError("give an amount in US dollars, as a number or as text")  # noqa: TRY004 - see above
    if isinstance(given, float):
        return Decimal(repr(given)).quantize(_FINEST, ROUND_CEILING)
    if isinstance(given, str) and not _DIGITS.fullmatch(given):
        raise ValueError("give an amount in US dollars, such as 12 or 0.02")
    return Decimal(given)


Usd = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(ge=0, le=_MOST_USD, decimal_places=12),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": _MOST_USD},
                {"type": "string", "pattern": f"^{_DIGITS.pattern}$"},
            ],
            "description": "US dollars; as text when every digit counts",
        }
    ),
]


def _time(given: object) -> object:
    """Refuse numbers, which pydantic would take for seconds since 1970."""
    if isinstance(given, str) and not _ISO.fullmatch(given):
        raise ValueError("give a time such as 2026-11-25T08:00:00Z")
    return given


Time = Annotated[datetime, BeforeValidator(_time)]


def whole(given: object) -> object:
    """Take 3.0 for 3, as JSON Schema does: to JSON they are one number."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


# The bounds stand inside, where the document can see them.
Count = Annotated[int, Field(ge=0, le=10**9), BeforeValidator(whole)]
Seconds = Annotated[int, Field(ge=60, le=86_400), BeforeValidator(whole)]
Step = Annotated[int, Field(ge=-20, le=20), BeforeValidator(whole)]


class Body(BaseModel):
    """Frozen, strict about types and keys."""

    model_config = STRICT


class ImpactBody(Body):
    """What an action is expected to touch."""

    cost_usd: Usd = Decimal(0)
    files: Count = 0
    api_calls: Count = 0


class OptionBody(Body):
    """Something the agent considered doing."""

    name: Annotated[str, Field(max_length=500)]
    why_not: Annotated[Text, Field(description="Empty for the option that was chosen")] = ""


class ProposalBody(Body):
    """An agent's wish to run one action with exact arguments. The agent is the token's."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"context": {"maxItems": 0}}},
                {"required": ["episode"], "properties": {"episode": {"minLength": 1}}},
            ],
            "examples": [
                {
                    "action": "file.write",
                    "args": {"path": "notes.md", "content": "milk\n"},
                    "capability": "edit@1",
                    "episode": "ticket-17",
                    "environment": "staging",
                    "impact": {"cost_usd": "0.02", "files": 1},
                    "confidence": 0.93,
                    "rationale": "the shopping list lacked milk",
                    "options": [{"name": "write"}, {"name": "ask", "why_not": "nobody answers at night"}],
                }
            ],
        }
    )

    action: Annotated[Name, Field(description="A name of the action registry")]
    args: Annotated[dict[str, Any], Field(description="What the registry says the action takes")] = {}
    capability: Annotated[Name, Field(description="The capability it is proposed under, with its version")]
    episode: Annotated[
        str, Field(max_length=200, description="Incident, task or conversation; empty when it stands alone")
    ] = ""
    environment: Annotated[
        str, Field(max_length=200, description="Where it would act, such as production")
    ] = ""
    impact: ImpactBody = ImpactBody()
    confidence: Annotated[
        float | None,
        Field(ge=0, le=1, allow_inf_nan=False, description="0 to 1; none given counts as 0"),
    ] = None
    rationale: Text = ""
    options: Annotated[list[OptionBody], Field(max_length=50)] = []
    priority: Annotated[
        Step | None, Field(description="The smaller goes first; null: as the registry says")
    ] = None
    context: Annotated[
        list[MessageBody], Field(max_length=50, description="What was said in the episode, in order")
    ] = []

    def proposal(self, *, agent: AgentId, proposal_id: ProposalId, owner: str | None = None) -> Proposal:
        """Return it in the words of the core. Agent and owner are as the token says, never the body."""
        return Proposal(
            proposal_id=proposal_id,
            agent=agent,
            capability=CapabilityId(self.capability),
            action=ActionName(self.action),
            args=self.args,
            episode=EpisodeId(self.episode),
            environment=self.environment,
            impact=Impact(
                cost_usd=self.impact.cost_usd, files=self.impact.files, api_calls=self.impact.api_calls
            ),
            confidence=self.confidence,
            rationale=self.rationale,
            options=tuple(Option(name=option.name, why_not=option.why_not) for option in self.options),
            priority=UNSET if self.priority is None else self.priority,
            owner=UNSET if owner is None else PersonId(owner),
        )


class OutcomeBody(Body):
    """What came of something an agent was granted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ok": True, "detail": "restarted in 3 s"}]})

    ok: bool
    detail: Text = ""
    cost_usd: Annotated[
        Usd | None, Field(description="What it really cost; null: its estimate goes on standing for it")
    ] = None
    at_prompt: Annotated[
        bool,
        Field(description="It was held, and somebody at the agent's own prompt was asked and let it run"),
    ] = False


class IncumbentBody(Body):
    """What an incumbent did in an episode."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "capability": "heal",
                    "action": "service.restart",
                    "args": {"service": "web"},
                    "ok": True,
                }
            ]
        }
    )

    capability: Annotated[
        Name, Field(description="The capability whose work it was; a version is not needed")
    ]
    action: Annotated[Name, Field(description="A name of the action registry")]
    args: Annotated[dict[str, Any], Field(description="As a proposal would give them")] = {}
    ok: bool


def _scope(text: str) -> str:
    Scope(*_scope_parts(text))
    if redact(text) != text:
        raise ValueError("this looks like a secret, and a stop is named for everybody to read")
    return text


def _scope_parts(text: str) -> tuple[Literal["all", "agent", "capability", "action"], str]:
    kind, _, name = text.partition(":")
    return kind, name  # type: ignore[return-value]  # the pattern of the field lets these four through


class _ScopedBody(Body):
    """Something about everything or a part."""

    scope: str = "all"

    @property
    def parsed(self) -> Scope:
        """The scope in the words of the core."""
        return Scope(*_scope_parts(self.scope))


class KillBody(_ScopedBody):
    """A stop of everything or of a part."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scope": "agent:coder-1", "reason": "deletes what it should read"}]}
    )

    scope: Annotated[
        str,
        Field(pattern=_SCOPE, description="all, agent:NAME, capability:NAME or action:NAME"),
        AfterValidator(_scope),
    ] = "all"
    reason: Annotated[str, Field(max_length=2_000)] = ""


class ResumeBody(_ScopedBody):
    """The lifting of one stop."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scope": "agent:coder-1", "reason": "its prompt was mended"}]}
    )

    scope: Annotated[
        str,
        Field(pattern=_SCOPE, description="Exactly as it was set; wider and narrower stops stay"),
        AfterValidator(_scope),
    ] = "all"
    reason: Reason


class ReasonBody(Body):
    """Why something is done."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "four weeks in shadow, no disagreement"}]}
    )

    reason: Reason


Code = Annotated[
    str | None,
    Field(
        pattern=r"^[0-9]{6}$",
        description="Your one-time code: approving and allowing what is of class A takes one. It works once",
    ),
]


class AnswerBody(Body):
    """A person's answer to what is held."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "checked with the shop"}]})

    reason: Annotated[str, Field(max_length=2_000)] = ""
    code: Code = None
    digest: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="Of what was shown to you; null: of what is held now",
        ),
    ] = None


class EstimateBody(Body):
    """What an action is expected to touch, where that is otherwise."""

    cost_usd: Usd | None = None
    files: Count | None = None
    api_calls: Count | None = None


class ChangeBody(Body):
    """Another version of what is held."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"args": {"service": "web-1"}, "impact": {"files": 1}, "reason": "one at a time"}]
        }
    )

    args: Annotated[
        dict[str, Any], Field(description="Arguments that are to be otherwise; the others stay")
    ] = {}
    impact: Annotated[EstimateBody, Field(description="Of the estimate what is otherwise; null stays")] = (
        EstimateBody()
    )
    reason: Annotated[str, Field(max_length=2_000)] = ""
    code: Code = None
    digest: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="Of what was shown to you; null: of what is held now",
        ),
    ] = None


class CaptaincyBody(Body):
    """A word on the captaincy."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"word": "hand-over", "to": "bob"}]})

    word: Annotated[Word, Field(description="hand-over and deputy name somebody in `to`")]
    to: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$")] = ""
    reason: Annotated[str, Field(max_length=2_000)] = ""


class QuestionBody(Body):
    """A question to the agent that proposed something."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": "why not at night?"}]})

    question: Reason


class ReplyBody(Body):
    """An agent's answer to a question."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "the pages are stale now"}]})

    answer: Reason


class VoteBody(Body):
    """A vote on what waits for votes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"choice": "for", "rationale": "tests pass"}]})

    choice: Choice
    rationale: Annotated[str, Field(max_length=2_000, description="Why; everybody who may vote reads it")] = (
        ""
    )


class RateBody(Body):
    """What a person thinks a decision was worth."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rating": "useful"}]})

    rating: Annotated[
        Literal["useful", "wrong", "late"],
        Field(description="late: it may have been right, but came too late to be of use"),
    ]
    reason: Annotated[str, Field(max_length=2_000)] = ""


class TakeBody(Body):
    """How a recommendation is taken."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"how": "run"}]})

    how: Annotated[
        Literal["run", "did"], Field(description="run: let it run; did: you did it yourself, nothing runs")
    ] = "run"
    reason: Annotated[str, Field(max_length=2_000)] = ""


class OverrideBody(Body):
    """A captain's word over a decision."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"word": "veto", "reason": "the customer withdrew"}]}
    )

    word: Annotated[
        Literal["veto", "allow"],
        Field(description="veto: nothing of it runs or stays; allow: end what it waits for"),
    ]
    reason: Reason
    code: Code = None


class UndoBody(Body):
    """The taking back of what a decision did."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "wrong file"}]})

    reason: Annotated[str, Field(max_length=2_000)] = ""
    force: Annotated[bool, Field(description="Take it back though the world has moved on since")] = False
    effect: Annotated[
        str | None,
        Field(
            pattern=r"^[du]_[0-9a-f]{15}$",
            description="An earlier undo of this decision, to undo that; null: what the decision did",
        ),
    ] = None


class DecisionsQuery(BaseModel):
    """Which decisions are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    agent: Name | None = None
    capability: Annotated[Name | None, Field(description="With its version, or the name for all of them")] = (
        None
    )
    action: Name | None = None
    word: Literal["allow", "hold", "deny"] | None = None
    since: Annotated[Time | None, Field(description="Decided then or later; UTC without a zone")] = None
    until: Annotated[Time | None, Field(description="Decided before; UTC without a zone")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[int | None, Field(ge=1, le=2**62, description="`next` of the page before")] = None
