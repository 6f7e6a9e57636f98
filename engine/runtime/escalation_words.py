"""Words on escalations: what people say once they are awake, and what others ask for in their name."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import UNSET

from engine.core.vocabulary.escalation_facts import (
    EscalationAcknowledged,
    EscalationEnded,
    EscalationFact,
    EscalationHanded,
    EscalationPassed,
    EscalationSnoozed,
    OnCallChanged,
    OnCallRestored,
)
from engine.core.vocabulary.escalations import SEVERITIES, Ladder, Severity
from engine.core.vocabulary.ids import EscalationId
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.core.work.escalations.climbing import handed, last_word
from engine.core.work.escalations.standing import Escalation, Need
from engine.errors import Forbidden, InputError
from engine.runtime.waking import Waking
from engine.runtime.wire_escalations import (
    AnswerEscalation,
    ChangeOnCall,
    ClearEscalation,
    DutyShown,
    EscalationAnswer,
    EscalationList,
    EscalationReply,
    EscalationShown,
    GetDuty,
    GetEscalations,
    HandEscalation,
    RaiseEscalation,
    RestoreOnCall,
)
from engine.runtime.wire_words import Request

_CURE = "/escalations lists those that are open"
_QUIET = "what is no more than info wakes nobody"
_LAST = "nobody is left on the ladder to be woken: take it, or hand it to somebody"
_AWAY = "what it is about went away, so nobody is woken for it unless it comes back"


class EscalationWords:
    """Takes words on escalations."""

    def __init__(self, waking: Waking) -> None:
        """Share the keeper of escalations."""
        self._waking = waking

    def handlers(self) -> dict[type[Request], Callable[[Any], Awaitable[EscalationReply]]]:
        """Say which request is answered by what."""
        return {
            RaiseEscalation: self.raise_,
            ClearEscalation: self.clear,
            AnswerEscalation: self.answer,
            HandEscalation: self.hand,
            GetEscalations: self.list_,
            ChangeOnCall: self.change,
            RestoreOnCall: self.restore,
            GetDuty: self.duty,
        }

    # ------------------------------------------------------------ from others

    async def raise_(self, request: RaiseEscalation) -> EscalationAnswer:
        """Have somebody woken, unless it is no more than info. Raises `InputError` for an unknown ladder."""
        waking = self._waking
        async with waking.lock:
            ladder, severity = self._ladder(request)
            if severity == "info" and request.ladder is None:
                return EscalationAnswer(counted=False, reason=_QUIET, escalation=None)
            key = request.key
            known = waking.state.of_key.get(key)
            if known is not None and self._is_less(known, severity, ladder):
                # It was asked for as less, and whom that wakes this ladder does not.
                key, known = f"{key} {severity}", waking.state.of_key.get(f"{key} {severity}")
            if known is not None and self._is_enough(known, severity):
                return self._shown(known, "somebody is being woken for it already")
            need = Need(
                key=key,
                group=request.group or request.key,
                kind=request.kind,
                severity=severity,
                about=request.about,
                summary=request.summary,
                evidence=request.evidence,
                by=request.by,
            )
            facts = waking.raised([(need, ladder, severity)], waking.now_us())
            await waking.take(facts)
            name = facts[0].escalation_id
        return self._shown(name, f"{ladder.name} is climbed")

    def _is_enough(self, name: EscalationId, severity: Severity) -> bool:
        """Whether an escalation wakes somebody for what is this bad already."""
        known = self._waking.state.by_id[name]
        return known.stage not in {"cleared", "ended"} and SEVERITIES[severity] <= SEVERITIES[known.severity]

    def _is_less(self, name: EscalationId, severity: Severity, ladder: Ladder) -> bool:
        """Whether an escalation is of something less bad, and climbs another ladder than what is this bad."""
        known = self._waking.state.by_id[name]
        return known.ladder.name != ladder.name and SEVERITIES[severity] > SEVERITIES[known.severity]

    def _ladder(self, request: RaiseEscalation) -> tuple[Ladder, Severity]:
        settings = self._waking.settings
        if request.ladder is None:
            return settings.route(request.kind, request.severity)
        if request.ladder not in settings.ladders:
            known = ", ".join(sorted(settings.ladders))
            raise InputError(f"there is no ladder {request.ladder!r}", cure=f"those there are: {known}")
        return settings.ladders[request.ladder], request.severity

    async def clear(self, request: ClearEscalation) -> EscalationAnswer:
        """Take word that something is over by itself. What was never raised is over all the same."""
        waking = self._waking
        async with waking.lock:
            keys = (request.key, *(f"{request.key} {severity}" for severity in SEVERITIES))
            found = [(waking.state.of_key[key], key) for key in keys if key in waking.state.of_key]
            if not found:
                return EscalationAnswer(counted=False, reason="nobody was woken for it", escalation=None)
            now_us, by, why = waking.now_us(), request.by, request.detail
            await waking.take([waking.cleared(name, key, now_us, by=by, detail=why) for name, key in found])
        return self._shown(found[-1][0], "it ends unless it comes back")

    # ------------------------------------------------------------ from people

    async def answer(self, request: AnswerEscalation) -> EscalationAnswer:
        """Take a word. Raises `Forbidden` for viewers, `InputError` where there is nothing to answer."""
        waking = self._waking
        async with waking.lock:
            name, known = self._find(request.escalation)
            _check(request.role, request.by)
            now_us, by = waking.now_us(), request.by
            fact: EscalationFact
            match request.word:
                case "acknowledge" if known.stage in {"acknowledged", "snoozed"} and known.holder != by:
                    return self._shown(
                        name, f"{known.holder} has it; say take to have it instead", counted=False
                    )
                case "acknowledge" | "take":
                    fact = EscalationAcknowledged(
                        at_us=now_us, escalation_id=name, by=by, role=request.role, via=request.via
                    )
                    told = f"{by} has it"
                case "snooze":
                    until_us = now_us + (request.for_us or known.ladder.ask_again_us)
                    fact = EscalationSnoozed(
                        at_us=now_us,
                        escalation_id=name,
                        by=by,
                        role=request.role,
                        via=request.via,
                        until_us=until_us,
                    )
                    told = f"{by} has it, and is reminded"
                case "pass" if known.stage == "cleared":
                    return self._shown(name, _AWAY, counted=False)
                case "pass" if known.stage != "ringing" and known.holder != by:
                    return self._shown(name, f"{known.holder} has it, so nobody else is woken", counted=False)
                case "pass" if known.stage == "ringing" and known.is_last_rung:
                    return self._shown(name, _LAST, counted=False)
                case "pass":
                    fact = EscalationPassed(at_us=now_us, escalation_id=name, by=by, via=request.via)
                    told = _after_pass(known)
                case "resolve" | "cancel":
                    said = request.reason or request.word
                    fact = EscalationEnded(
                        at_us=now_us,
                        escalation_id=name,
                        how="cancelled",
                        by=by,
                        detail=f"{by}: {said}",
                        notifications=last_word(name, known, waking.roster, now_us),
                    )
                    told = f"{by} ended it"
            facts = [fact]
            if known.kind == "drill" and isinstance(fact, EscalationAcknowledged | EscalationSnoozed):
                # That somebody answers is all that a drill asks.
                told = f"{by} answered, and the drill is over"
                facts.append(
                    EscalationEnded(
                        at_us=now_us,
                        escalation_id=name,
                        how="resolved",
                        by=by,
                        detail=f"{by} answered",
                        notifications=last_word(name, known, waking.roster, now_us),
                    )
                )
            await waking.take(facts)
        return self._shown(name, told)

    async def hand(self, request: HandEscalation) -> EscalationAnswer:
        """Give it to somebody else. Raises `InputError` when nothing would reach them now."""
        waking = self._waking
        async with waking.lock:
            name, known = self._find(request.escalation)
            _check(request.role, request.by)
            if known.stage == "cleared":
                return self._shown(name, _AWAY, counted=False)
            now_us = waking.now_us()
            notifications, left = handed(name, known, waking.roster, request.to, now_us)
            if not notifications:
                why = "; ".join(dict.fromkeys(each.why for each in left)) or "no channel of the ladder does"
                raise InputError(
                    f"nothing would reach {request.to} now: {why}", cure="keep it, or hand it to another"
                )
            rung = next((each for each in known.ladder.rungs if each.by), known.ladder.rungs[0])
            fact = EscalationHanded(
                at_us=now_us,
                escalation_id=name,
                by=request.by,
                to=request.to,
                via=request.via,
                notifications=notifications,
                wait_us=rung.wait_us,
            )
            await waking.take([fact])
        return self._shown(name, f"{request.to} is woken; whoever does not answer is followed by all")

    def _find(self, text: str) -> tuple[EscalationId, Escalation]:
        for name, known in self._waking.state.by_id.items():
            if text in {name, known.code} or text in known.needs.values():
                if not known.is_open:
                    raise InputError(f"{name} is over", place=text, cure=_CURE)
                return name, known
        raise InputError("nobody is being woken for this", place=text, cure=_CURE)

    # ------------------------------------------------------------ how things stand

    async def list_(self, _request: GetEscalations) -> EscalationList:
        """Say what people are being woken for."""
        found = self._waking.state.by_id.items()
        return EscalationList(escalations=tuple(shown(name, known) for name, known in found))

    def _shown(self, name: EscalationId, reason: str, *, counted: bool = True) -> EscalationAnswer:
        known = self._waking.state.by_id.get(name)
        return EscalationAnswer(
            counted=counted, reason=reason, escalation=None if known is None else shown(name, known)
        )

    # ------------------------------------------------------------ who is on call

    async def change(self, request: ChangeOnCall) -> DutyShown:
        """Put somebody on call in another's place. Raises `InputError` for what makes no sense."""
        waking = self._waking
        async with waking.lock:
            now_us = waking.now_us()
            if request.until_us <= max(request.from_us, now_us):
                raise InputError("it would be over before it begins", cure="give a later end")
            if not waking.roster.has_schedule(request.schedule):
                raise InputError(f"there is no schedule {request.schedule!r}", cure="see config/oncall.yaml")
            if not waking.roster.has_person(request.person):
                raise InputError(f"{request.person} is not in config/people.yaml", cure="add them there")
            seq = waking.intake.journal.head().seq + 1
            fact = OnCallChanged(
                at_us=now_us,
                change_id=f"c{seq}",
                schedule=request.schedule,
                person=request.person,
                from_us=request.from_us,
                until_us=request.until_us,
                by=request.by,
                reason=request.reason,
            )
            await waking.intake.take(f"on-call:{seq}", fact)
        return await self.duty()

    async def restore(self, request: RestoreOnCall) -> DutyShown:
        """Take such a change back. Raises `InputError` when there is none."""
        waking = self._waking
        async with waking.lock:
            if all(each.change_id != request.change_id for each in waking.state.changes):
                known = ", ".join(each.change_id for each in waking.state.changes) or "none"
                raise InputError(
                    f"there is no change {request.change_id!r}", cure=f"those there are: {known}"
                )
            fact = OnCallRestored(at_us=waking.now_us(), change_id=request.change_id, by=request.by)
            await waking.intake.take(f"on-call:{request.change_id}:restored", fact)
        return await self.duty()

    async def duty(self, _request: GetDuty | None = None) -> DutyShown:
        """Say who has which duty beyond what the files say."""
        duty = self._waking.duty
        return DutyShown(captain=duty.captain, deputy=duty.deputy, away=duty.away, changes=duty.changes)


async def _nobody(_request: Request) -> EscalationReply:
    raise InputError("this engine wakes nobody", cure="start it with `watchkeeper up`: it reads ladders.yaml")


WITHOUT_LADDERS: Final[dict[type[Request], Callable[[Any], Awaitable[EscalationReply]]]] = dict.fromkeys(
    (
        RaiseEscalation, ClearEscalation, AnswerEscalation, HandEscalation, GetEscalations, ChangeOnCall,
        RestoreOnCall, GetDuty,
    ),
    _nobody,
)  # fmt: skip
"""What an engine answers that has no ladders."""


def _after_pass(known: Escalation) -> str:
    """Say what follows once somebody wants the next one to be woken."""
    more = known.rung < len(known.ladder.rungs)
    return "the next one is woken" if more else "that was the last rung, and the ladder is climbed anew"


def _check(role: Role, by: str) -> None:
    if RANKS[role] < RANKS["responder"]:
        raise Forbidden(f"{by} is a {role}, and only responders and captains answer", cure="ask one of these")


def shown(name: EscalationId, known: Escalation) -> EscalationShown:
    """Say how an escalation stands."""
    return EscalationShown(
        escalation_id=name,
        code=known.code,
        kind=known.kind,
        severity=known.severity,
        about=known.about,
        abouts=tuple(dict.fromkeys(about for about in known.needs.values() if about)),
        summary=known.summary,
        evidence=known.evidence,
        deadline_us=None if known.deadline_us is UNSET else known.deadline_us,
        then=known.then,
        by=known.by,
        raised_us=known.raised_us,
        ladder=known.ladder.name,
        stage=known.stage,
        round=known.round,
        rung=known.rung,
        next_us=known.next_us,
        holder=known.holder,
        count=known.count,
        woken=tuple(known.woken),
        ended=None if known.ended is UNSET else known.ended,
    )
