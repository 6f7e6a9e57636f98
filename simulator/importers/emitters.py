"""From the `emit` blocks of a mapping to functions that make facts and labels of a row."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from engine.core.vocabulary.facts import (
    CapabilityDemoted,
    CapabilityPromoted,
    EpisodeClosed,
    Fact,
    KillSwitchCleared,
    KillSwitchSet,
    MessageObserved,
    MetricObserved,
    OutcomeReported,
    ProposalReceived,
    RolloutPaused,
    RolloutResumed,
    Scope,
)
from engine.core.vocabulary.ids import EpisodeId, ProposalId, capability_name
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.errors import RecordingError
from simulator.importers.cells import (
    EMPTY,
    Row,
    argument,
    condition,
    decimal,
    json_object,
    number,
    optional,
    required,
    text_of,
    truth,
    whole,
)
from simulator.importers.mapping import (
    Emit,
    EpisodeFields,
    EpisodeLabelFields,
    LabelFields,
    Mapping,
    MessageFields,
    MetricFields,
    OutcomeFields,
    ProposalFields,
    RolloutFields,
    StopFields,
    Value,
)
from simulator.recording import AnyLabel, EpisodeLabel, Label

Made = Fact | AnyLabel | EpisodeLabel
Maker = Callable[[Row, int], Made]
Emitter = Callable[[Row, int], Made | None]
"""Makes a fact or label of a row and its time, or `None` where the row is not meant."""


def emitters(mapping: Mapping) -> list[Emitter]:
    """Compile all blocks, in their order."""
    return [_emitter(block) for block in mapping.emit]


def _emitter(block: Emit) -> Emitter:
    tests = [condition(test) for test in block.when]
    make = _MAKERS[block.kind](getattr(block, block.kind))

    def emit(row: Row, at_us: int) -> Made | None:
        for test in tests:
            if not test(row):
                return None
        try:
            return make(row, at_us)
        except ValueError as error:
            # The vocabulary's own refusals, such as a negative cost.
            raise RecordingError(
                f"{block.kind}: {error}", place=row.place, cure="correct the row or the mapping"
            ) from None

    return emit


def _proposal(fields: ProposalFields) -> Maker:
    proposal_id = required(fields.proposal_id, "proposal_id", text_of)
    agent, capability, action = _who(fields)
    episode = optional(fields.episode, "episode", text_of, "")
    environment = optional(fields.environment, "environment", text_of, "")
    impact = _impact(fields)
    confidence = optional(fields.confidence, "confidence", cast(Callable[[Any], float | None], number), None)
    rationale = optional(fields.rationale, "rationale", text_of, "")
    nothing: dict[str, Any] = {}
    everything = optional(
        None if fields.args_from is None else Value(column=fields.args_from),
        "args_from",
        json_object,
        nothing,
    )
    args = [(name, argument(value, name)) for name, value in (fields.args or {}).items()]

    def make(row: Row, at_us: int) -> Fact:
        given = dict(everything(row))
        for name, read in args:
            found = read(row)
            if found is not EMPTY:
                given[name] = found
        return ProposalReceived(
            at_us=at_us,
            proposal=Proposal(
                proposal_id=ProposalId(proposal_id(row)),
                agent=agent(row),
                capability=capability(row),
                action=action(row),
                args=given,
                episode=EpisodeId(episode(row)),
                environment=environment(row),
                impact=impact(row),
                confidence=confidence(row),
                rationale=rationale(row),
            ),
        )

    return make


def _outcome(fields: OutcomeFields) -> Maker:
    proposal_id = required(fields.proposal_id, "proposal_id", text_of)
    agent, capability, action = _who(fields)
    ok = truth(fields.ok, "ok")
    detail = optional(fields.detail, "detail", text_of, "")

    def make(row: Row, at_us: int) -> Fact:
        return OutcomeReported(
            at_us=at_us,
            proposal_id=ProposalId(proposal_id(row)),
            agent=agent(row),
            capability=capability(row),
            action=action(row),
            ok=ok(row),
            by=fields.by,
            detail=detail(row),
        )

    return make


def _metric(fields: MetricFields) -> Maker:
    series = required(fields.series, "series", text_of)
    value = required(fields.value, "value", number)
    return lambda row, at_us: MetricObserved(at_us=at_us, series=series(row), value=value(row))


def _message(fields: MessageFields) -> Maker:
    episode = required(fields.episode, "episode", text_of)
    source = required(fields.source, "source", _message_source)
    text = optional(fields.text, "text", text_of, "")
    return lambda row, at_us: MessageObserved(
        at_us=at_us, episode=EpisodeId(episode(row)), source=source(row), text=text(row)
    )


def _message_source(value: Any) -> Any:
    if value not in ("person", "tool", "agent"):
        raise ValueError("it must be person, tool or agent")
    return value


def _episode_closed(fields: EpisodeFields) -> Maker:
    episode = required(fields.episode, "episode", text_of)
    return lambda row, at_us: EpisodeClosed(at_us=at_us, episode=EpisodeId(episode(row)))


def _promoted(fields: RolloutFields) -> Maker:
    capability, by, reason = _rollout(fields)
    return lambda row, at_us: CapabilityPromoted(
        at_us=at_us, capability=capability(row), by=by(row), reason=reason(row)
    )


def _named(
    kind: type[CapabilityDemoted | RolloutPaused | RolloutResumed],
) -> Callable[[RolloutFields], Maker]:
    def maker(fields: RolloutFields) -> Maker:
        capability, by, reason = _rollout(fields)
        return lambda row, at_us: kind(
            at_us=at_us, capability=capability_name(capability(row)), by=by(row), reason=reason(row)
        )

    return maker


def _stop(kind: type[KillSwitchSet | KillSwitchCleared]) -> Callable[[StopFields], Maker]:
    def maker(fields: StopFields) -> Maker:
        scope = required(fields.scope, "scope", _scope)
        by: Any = required(fields.by, "by", text_of)
        reason = optional(fields.reason, "reason", text_of, "")
        return lambda row, at_us: kind(at_us=at_us, scope=scope(row), by=by(row), reason=reason(row))

    return maker


def _scope(value: Any) -> Scope:
    kind, _, name = text_of(value).partition(":")
    if kind not in ("all", "agent", "capability", "action") or (kind == "all") == bool(name):
        raise ValueError("it must be all, agent:…, capability:… or action:…")
    return Scope(cast(Any, kind), name)


def _label(fields: LabelFields) -> Maker:
    proposal_id = required(fields.proposal_id, "proposal_id", text_of)
    unsafe, benign = truth(fields.unsafe, "unsafe"), truth(fields.benign_episode, "benign_episode")
    episode = optional(fields.episode, "episode", text_of, "")
    return lambda row, _: Label(
        proposal_id=ProposalId(proposal_id(row)),
        unsafe=unsafe(row),
        benign_episode=benign(row),
        episode=EpisodeId(episode(row)),
        place=row.place,
    )


def _episode_label(fields: EpisodeLabelFields) -> Maker:
    episode = required(fields.episode, "episode", text_of)
    benign = truth(fields.benign, "benign")
    return lambda row, _: EpisodeLabel(episode=EpisodeId(episode(row)), benign=benign(row), place=row.place)


def _who(fields: ProposalFields | OutcomeFields) -> tuple[Any, Any, Any]:
    return (
        required(fields.agent, "agent", text_of),
        required(fields.capability, "capability", text_of),
        required(fields.action, "action", text_of),
    )


def _rollout(fields: RolloutFields) -> tuple[Any, Any, Any]:
    return (
        required(fields.capability, "capability", text_of),
        required(fields.by, "by", text_of),
        optional(fields.reason, "reason", text_of, ""),
    )


def _impact(fields: ProposalFields) -> Callable[[Row], Impact]:
    cost_usd = optional(fields.cost_usd, "cost_usd", decimal, Decimal(0))
    files = optional(fields.files, "files", whole, 0)
    api_calls = optional(fields.api_calls, "api_calls", whole, 0)
    return lambda row: Impact(cost_usd=cost_usd(row), files=files(row), api_calls=api_calls(row))


_MAKERS: dict[str, Callable[[Any], Maker]] = {
    "proposal": _proposal,
    "outcome": _outcome,
    "metric": _metric,
    "message": _message,
    "episode_closed": _episode_closed,
    "promoted": _promoted,
    "demoted": _named(CapabilityDemoted),
    "paused": _named(RolloutPaused),
    "resumed": _named(RolloutResumed),
    "kill_switch_set": _stop(KillSwitchSet),
    "kill_switch_cleared": _stop(KillSwitchCleared),
    "label": _label,
    "episode_label": _episode_label,
}
