"""What goes out: frozen structs, written as JSON, and described in the OpenAPI document from their types."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from bot.http_api.change_answers import ChangeShown, Replacement, change_of
from bot.http_api.question_answers import QuestionShown
from bot.http_api.vote_answers import VoteStanding
from engine.commands.recommending import Recommendation
from engine.commands.standing import Standing, UndoStanding
from engine.commands.stopping import EngineWord, Swept
from engine.core.calibrations import Calibration
from engine.core.decide import in_order
from engine.core.explain import summary
from engine.core.kpis.standing import KpiStanding
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import DecisionOverridden, HoldEnded
from engine.core.vocabulary.people_facts import HoldEnding, Rating
from engine.core.vocabulary.rollouts import Evidence, Stage
from engine.core.vocabulary.units import time_text
from engine.core.vocabulary.verdicts import Answer, Measure, Verdict, Wait, Word
from engine.core.work.rollout.showing import RolloutShown
from engine.ports import Stop
from engine.runtime.wire import DecisionStatus, EngineStatus

JSON: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder()


class Compared(Struct, frozen=True, kw_only=True):
    """One comparison a gate made."""

    measure: str
    measured: Measure
    limit: Measure


class Objection(Struct, frozen=True, kw_only=True):
    """One gate that did not simply allow."""

    gate: str
    ruling: Literal["allow", "escalate", "consensus", "deny"]
    reason: str
    rule: str
    owner: Annotated[str, Meta(description="The role that may change the rule")]
    compared: tuple[Compared, ...]


class Outcome(Struct, frozen=True, kw_only=True):
    """What the agent said came of what it was granted."""

    ok: bool
    detail: str
    at: str


class HoldOver(Struct, frozen=True, kw_only=True):
    """How what a held decision waited for ended."""

    how: HoldEnding
    by: Annotated[tuple[str, ...], Meta(description="Whose answers ended it; empty: nobody answered")]
    reason: str
    at: str


class Veto(Struct, frozen=True, kw_only=True):
    """A captain's veto."""

    by: str
    reason: str
    at: str


class Decision(Struct, frozen=True, kw_only=True):
    """A decision: what was decided and why, how far it is, and what came of it."""

    decision_id: str
    proposal_id: str
    at: Annotated[str, Meta(description="ISO 8601, UTC")]
    agent: str
    capability: str
    action: str
    episode: str
    word: Word
    status: DecisionStatus
    final: Annotated[bool, Meta(description="Whether the status stands; false while held, queued or running")]
    shadowed: Annotated[bool, Meta(description="Decided and logged, but not executed")]
    summary: Annotated[str, Meta(description="One sentence for people")]
    reasons: tuple[Objection, ...]
    waits: Annotated[tuple[Wait, ...], Meta(description="What a held decision waits for")]
    result: Annotated[Result | None, Meta(description="Null until it has ended")]
    outcome: Annotated[Outcome | None, Meta(description="Null until the agent reports one")]
    undos: tuple[UndoStanding, ...]
    answered: Annotated[HoldOver | None, Meta(description="Null until people answered what is held")]
    veto: Annotated[Veto | None, Meta(description="Null unless a captain vetoed it")]
    vote: Annotated[
        VoteStanding | None, Meta(description="Null where no votes are waited for, and in lists")
    ] = None
    changed: Annotated[ChangeShown | None, Meta(description="Null unless a person proposed it in this form")]
    replacement: Annotated[
        Replacement | None,
        Meta(description="What a person put in its place; null where nobody did, and in lists"),
    ] = None
    questions: Annotated[
        tuple[QuestionShown, ...], Meta(description="What people ask its agent; empty in lists")
    ] = ()
    digest: Annotated[str, Meta(description="SHA-256 over the action and its exact arguments")]
    policy_hash: str
    seq: Annotated[int, Meta(description="The verdict's record in the journal")]
    links: dict[str, str]


class DecisionList(Struct, frozen=True, kw_only=True):
    """Decisions, the newest first."""

    decisions: tuple[Decision, ...]
    next: Annotated[
        int | None,
        Meta(
            description="The cursor of the next page; null: there is none. A page may be empty and have one"
        ),
    ]


class AnswerTaken(Struct, frozen=True, kw_only=True):
    """What a person's word on a decision led to."""

    decision_id: str
    status: DecisionStatus
    reason: Annotated[str, Meta(description="What happens next, or what it still waits for")]
    undo: Annotated[str | None, Meta(description="The taking back that a veto began")]
    replaced_by: Annotated[str | None, Meta(description="The decision that takes its place, after a change")]
    links: dict[str, str]


class HoldShown(Struct, frozen=True, kw_only=True):
    """One decision that waits for people."""

    decision_id: str
    since: str
    until: Annotated[str, Meta(description="When its time is over")]
    agent: str
    capability: str
    action: str
    episode: str
    digest: Annotated[str, Meta(description="Of action and arguments: an approval binds to it")]
    waits: tuple[Wait, ...]
    approved_by: tuple[str, ...]
    effect: Annotated[
        str | None, Meta(description="The effect nobody knows the end of; null: nothing of it ran yet")
    ]
    links: dict[str, str]


class HoldList(Struct, frozen=True, kw_only=True):
    """What waits for people, the longest waiting first."""

    holds: tuple[HoldShown, ...]
    more: Annotated[int, Meta(description="How many more wait than are shown")]


class UndoQueued(Struct, frozen=True, kw_only=True):
    """A taking back that waits for a worker."""

    decision_id: str
    effect_id: Annotated[str, Meta(description="Of the taking back; it can be undone in turn")]
    links: dict[str, str]


class Preview(Struct, frozen=True, kw_only=True):
    """What would happen. Nothing did."""

    decision_id: str
    result: Result


class Reported(Struct, frozen=True, kw_only=True):
    """An outcome that is in the journal."""

    proposal_id: str
    decision_id: str


class Killed(Struct, frozen=True, kw_only=True):
    """A stop that stands: nothing it covers begins any more."""

    scope: str
    by: str
    fence: Annotated[Literal["set"], Meta(description="Durable: it stands after a restart too")]
    swept: Annotated[
        Swept,
        Meta(description="Whether what was under way has been ended; `not yet`: it is being"),
    ]
    engine: Annotated[
        EngineWord,
        Meta(description="Whether the engine has journaled it; when away, it will when it is back"),
    ]


class Resumed(Struct, frozen=True, kw_only=True):
    """A stop that no longer stands."""

    scope: str
    by: str
    reason: str


class StopShown(Struct, frozen=True, kw_only=True):
    """A stop that stands."""

    scope: str
    by: str
    reason: str
    at: str


class StopList(Struct, frozen=True, kw_only=True):
    """The stops that stand, as the fence has them."""

    stops: tuple[StopShown, ...]


class Stepped(Struct, frozen=True, kw_only=True):
    """A step of a rollout that was taken."""

    capability: str
    was: Stage
    now: Stage
    reason: str
    evidence: Evidence
    """What was known when it was taken."""
    confounded: str
    """Why the arms could not be compared as they stood; empty when they could."""


class RolloutList(Struct, frozen=True, kw_only=True):
    """How rollouts stand."""

    rollouts: tuple[RolloutShown, ...]


class KpiList(Struct, frozen=True, kw_only=True):
    """How the KPIs of autonomy stand."""

    kpis: tuple[KpiStanding, ...]
    at: Annotated[str | None, Meta(description="The time of the last record counted; null: there is none")]
    seq: Annotated[int, Meta(description="The last record of the journal that is counted")]
    behind: Annotated[
        int, Meta(description="How many records are not counted yet; ask again until it is 0 for all")
    ]


class CalibrationList(Struct, frozen=True, kw_only=True):
    """How far confidences came true."""

    calibrations: tuple[Calibration, ...]
    newest: Annotated[int, Meta(description="How many outcomes, and how many ratings, are looked at at most")]


class RecommendationList(Struct, frozen=True, kw_only=True):
    """What was recommended, the newest first, and what became of it."""

    recommendations: tuple[Recommendation, ...]
    newest: Annotated[int, Meta(description="How many held decisions are looked through at most")]


class Rated(Struct, frozen=True, kw_only=True):
    """A rating that was taken."""

    decision_id: str
    rating: Rating


class Held(Struct, frozen=True, kw_only=True):
    """A capability that is held back, or no more for one reason."""

    capability: str
    paused: bool
    by: str
    reason: str


class Noted(Struct, frozen=True, kw_only=True):
    """What was told is in the journal."""

    episode: str


class FrontStatus(Struct, frozen=True, kw_only=True):
    """How the front process is."""

    version: str
    started: str


class Status(Struct, frozen=True, kw_only=True):
    """How Watchkeeper is."""

    front: FrontStatus
    engine: Annotated[EngineStatus | None, Meta(description="Null when it does not answer")]
    engine_away: Annotated[str, Meta(description="Why it is null; empty when it answers")]
    stops: tuple[StopShown, ...]


class Health(Struct, frozen=True, kw_only=True):
    """Whether the front and the engine answer."""

    front: Literal["ok"]
    engine: Literal["ok", "away"]


class Version(Struct, frozen=True, kw_only=True):
    """Which Watchkeeper this is."""

    version: str
    api: Literal["v1"]


class SnapshotShown(Struct, frozen=True, kw_only=True):
    """A snapshot that was saved."""

    snapshot_id: str
    at: Annotated[str | None, Meta(description="Null in the answer to having it taken")]
    journal_seq: Annotated[int | None, Meta(description="The last record in it")]
    files: int
    size_bytes: int


class SnapshotList(Struct, frozen=True, kw_only=True):
    """Snapshots, the newest first, as the journal has them: old ones may have been let go since."""

    snapshots: tuple[SnapshotShown, ...]
    next: Annotated[int | None, Meta(description="The cursor of the next page; null: there is none")]


def answer(body: Struct, status: int = 200, **headers: str) -> Response:
    """Write a struct as an answer. Underscores in the names of headers become dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(_ENCODER.encode(body), status, named, JSON)


def encoded(body: Any) -> bytes:
    """Write anything of ours in JSON."""
    return _ENCODER.encode(body)


def decision_of(
    standing: Standing,
    vote: VoteStanding | None = None,
    replacement: Replacement | None = None,
    questions: tuple[QuestionShown, ...] = (),
) -> Decision:
    """Put a standing into the words of the API."""
    verdict, said = standing.verdict, standing.outcome
    return Decision(
        decision_id=verdict.decision_id,
        proposal_id=verdict.proposal_id,
        at=time_text(verdict.at_us),
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        episode=verdict.episode,
        word=verdict.word,
        status=standing.status,
        final=standing.final,
        shadowed=verdict.shadowed,
        summary=summary(verdict),
        reasons=_reasons(verdict),
        waits=verdict.waits,
        result=standing.result,
        outcome=Outcome(ok=said.ok, detail=said.detail, at=time_text(said.at_us)) if said else None,
        undos=standing.undos,
        digest=verdict.digest,
        policy_hash=verdict.policy_hash,
        seq=standing.seq,
        answered=_answered(standing.answered),
        veto=_vetoed(standing.veto),
        vote=vote,
        changed=change_of(standing),
        replacement=replacement,
        questions=questions,
        links=links_of(standing),
    )


def links_of(standing: Standing) -> dict[str, str]:
    """Say where to go on from a decision."""
    here, status = f"/v1/decisions/{standing.verdict.decision_id}", standing.status
    links = {"self": here, "explain": f"{here}/explain", "stream": f"{here}/stream"}
    if standing.waits:
        links |= {word: f"{here}/{word}" for word in ("approve", "change", "deny", "questions")}
        if any(wait.kind == "votes" for wait in standing.verdict.waits):
            links["vote"] = f"{here}/vote"
    elif status not in {"denied", "held", "shadowed", "vetoed", "expired", "taken", "replaced", "bypassed"}:
        links["undo"] = f"{here}/undo"
    return links


def _answered(over: HoldEnded | None) -> HoldOver | None:
    if over is None:
        return None
    return HoldOver(how=over.how, by=over.by, reason=over.reason, at=time_text(over.at_us))


def _vetoed(veto: DecisionOverridden | None) -> Veto | None:
    return Veto(by=veto.by, reason=veto.reason, at=time_text(veto.at_us)) if veto is not None else None


def stop_shown(stop: Stop) -> StopShown:
    """Put a stop into the words of the API."""
    return StopShown(scope=str(stop.scope), by=stop.by, reason=stop.reason, at=time_text(stop.at_us))


def _reasons(verdict: Verdict) -> tuple[Objection, ...]:
    if verdict.word == "allow":
        return ()
    return tuple(_objection(said) for said in in_order(verdict) if said.ruling != "allow")


def _objection(said: Answer) -> Objection:
    return Objection(
        gate=said.gate,
        ruling=said.ruling,
        reason=said.reason,
        rule=said.rule,
        owner=said.owner,
        compared=tuple(
            Compared(measure=check.measure, measured=check.measured, limit=check.limit)
            for check in said.checks
        ),
    )
