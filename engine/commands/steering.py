"""Steering rollouts: people ask, evidence answers, and what is missing is said."""

from typing import Any, Final

from engine.commands import catalogue as c
from engine.commands.cards import clock_text, short
from engine.commands.lookup import newest
from engine.commands.model import Asker, Button, Confirm, Reply, Table, Tone
from engine.commands.tools import Tools
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import CapabilityId, CapabilityName, capability_name
from engine.core.vocabulary.rollouts import SHARES, ArmTally, Evidence
from engine.core.vocabulary.units import percent_text
from engine.core.work.rollout.evidence import number_text
from engine.core.work.rollout.showing import RolloutShown
from engine.errors import InputError
from engine.ports import DecisionsReader
from engine.runtime import wire

_MOST_STEPS: Final = 12
STEPS: Final = (
    f.CapabilityReplayed,
    f.StageChanged,
    f.PromotionRefused,
    f.RolloutPaused,
    f.RolloutResumed,
    f.RolloutAborted,
)
"""What people see as a step of a rollout."""
_TONES: Final[dict[str, Tone]] = {"rollback": "danger", "pause": "warning", "advance": "good"}


async def status(tools: Tools, asker: Asker, said: c.CanaryStatus) -> Reply:
    """Say how one rollout stands, or all."""
    name = capability_name(CapabilityId(said.capability)) if said.capability else None
    found = await tools.ask(wire.GetRollouts(capability=name), wire.RolloutList)
    if name is not None:
        return _standing(found.rollouts[0])
    rows = tuple(
        (each.name, each.live or "people", each.candidate or "–", _stage(each), short(each.reason, 60))
        for each in found.rollouts
    )
    return Reply(
        title="Capabilities" if rows else "No capability is live or on its way",
        table=Table(columns=("capability", "live", "on its way", "stage", "waits for"), rows=rows)
        if rows
        else None,
        text="" if rows else "watchkeeper rollout plan NAME says how one earns its authority.",
        buttons=tuple(
            Button(label=each.name, line=f"canary status {each.name}") for each in found.rollouts[:5]
        ),
    )


async def before_promote(tools: Tools, asker: Asker, said: c.CanaryPromote) -> Confirm:
    """Say which step would be taken, and on what."""
    shown = await _one(tools, said.capability)
    if "@" not in said.capability or said.capability != shown.candidate:
        on_way = f"{shown.candidate} is on its way" if shown.candidate else "nothing is on its way"
        raise InputError(on_way, place=said.capability, cure="name the version, such as heal@2")
    more = SHARES.get(shown.next_stage, 1.0 if shown.next_stage == "live" else 0.0)
    share = f", which gives it {percent_text(more)} of episodes" if more else ""
    ready = (
        "The evidence is there." if shown.says == "advance" else f"Evidence is still missing: {shown.reason}."
    )
    target = shown.next_stage if shown.says == "advance" else "the next stage"
    return Confirm(
        title=f"Promote {said.capability}?",
        text=f"It goes from {_stage(shown)} to {str(target).replace('_', ' ')}{share}. {ready} "
        "Evidence is looked at again at that moment, and decides.",
        yes="Promote",
    )


async def promote(tools: Tools, asker: Asker, said: c.CanaryPromote) -> Reply:
    """Ask for the next step."""
    request = wire.Promote(capability=CapabilityId(said.capability), by=asker.person, reason=said.reason)
    return _stepped(await tools.ask(request, wire.Stepped), asker)


async def pause(tools: Tools, asker: Asker, said: c.CanaryPause) -> Reply:
    """Hold a rollout where it is."""
    name = _name(said.capability)
    await tools.ask(wire.PauseRollout(capability=name, by=asker.person, reason=said.reason), wire.Done)
    shown = await _one(tools, name)
    known = shown.live is not None or shown.candidate is not None
    return Reply(
        title=f"{name} is held back",
        tone="warning",
        text="" if known else f"No version of {name} is live or on its way: it is held from when one is.",
        fields=(("By", asker.person), ("Reason", said.reason)),
        buttons=(Button(label="Go on", line=f"canary resume {name} {said.reason}"),),
    )


async def resume(tools: Tools, asker: Asker, said: c.CanaryResume) -> Reply:
    """Lift what holds it back."""
    name = _name(said.capability)
    await tools.ask(wire.ResumeRollout(capability=name, by=asker.person, reason=said.reason), wire.Done)
    left = (await _one(tools, name)).paused
    return Reply(
        title=f"{name} goes on" if not left else f"{name} is still held back",
        tone="good" if not left else "warning",
        fields=tuple((f"Held by {by}", short(reason)) for reason, by in left.items()),
    )


async def before_abort(tools: Tools, asker: Asker, said: c.CanaryAbort) -> Confirm:
    """Say whose authority would go, and to whom the work falls."""
    shown = await _one(tools, said.capability)
    climbs = shown.candidate is not None and shown.stage not in {"live", "rolled_back", "unproven"}
    who = shown.candidate if climbs else shown.live
    if who is None:
        raise InputError("it has no rollout and nothing live", place=shown.name, cure="see /canary status")
    heir = (shown.live or "people") if climbs else "people"
    return Confirm(
        title=f"Abort {who}?",
        text=f"{who} loses its authority at once; its open episodes, and all to come, go to {heir}.",
        yes="Abort",
    )


async def abort(tools: Tools, asker: Asker, said: c.CanaryAbort) -> Reply:
    """Take authority away."""
    request = wire.Abort(capability=_name(said.capability), by=asker.person, reason=said.reason)
    return _stepped(await tools.ask(request, wire.Stepped), asker)


async def history(tools: Tools, asker: Asker, said: c.CanaryHistory) -> Reply:
    """List the steps of a capability's rollouts, the newest first."""
    name = _name(said.capability)

    def walk(journal: DecisionsReader) -> list[tuple[int, Any]]:
        return newest(journal, STEPS, lambda fact: capability_name(fact.capability) == name, most=_MOST_STEPS)

    rows = tuple((f"{seq:,}", clock_text(fact.at_us), _step(fact)) for seq, fact in await tools.look(walk))
    return Reply(
        title=f"Steps of {name}" if rows else f"{name} never took a step",
        table=Table(columns=("record", "at", "step"), rows=rows) if rows else None,
    )


async def shadow(tools: Tools, asker: Asker, said: c.ShadowReport) -> Reply:
    """Say where a version differs from the incumbent."""
    shown = await _one(tools, said.capability)
    if shown.candidate is None or shown.evidence is None:
        raise InputError("nothing of it is on its way", place=shown.name, cure="see /canary status")
    seen = shown.evidence
    rows = tuple(
        (short(each.reason, 60), f"{each.episodes:,}", f"{each.failures:,}", each.example)
        for each in shown.disagreements[:8]
    )
    same = _part(shown.twins_agreed, shown.twins)
    twins = f"\nThe incumbent, run twice, agreed with itself in {same} episodes."
    return Reply(
        title=f"{shown.candidate} against {shown.live or 'people'}",
        text=f"They did the same in {_part(seen.agreed, seen.compared)} episodes that were compared."
        + (twins if shown.twins else ""),
        table=Table(columns=("they differ because", "episodes", "went wrong", "example"), rows=rows)
        if rows
        else None,
        fields=(("Waits for", shown.reason),) if shown.reason else (),
    )


async def _one(tools: Tools, capability: str) -> RolloutShown:
    found = await tools.ask(wire.GetRollouts(capability=_name(capability)), wire.RolloutList)
    return found.rollouts[0]


def _name(capability: str) -> CapabilityName:
    return capability_name(CapabilityId(capability))


def _stage(shown: RolloutShown) -> str:
    if shown.candidate is None:
        return "live" if shown.live is not None else "people do the work"
    return shown.stage.replace("_", " ") + (" %" if shown.stage.startswith("canary") else "")


def _standing(shown: RolloutShown) -> Reply:
    fields = [("Live", shown.live or "people do the work")]
    if shown.candidate is not None:
        fields.append(("On its way", f"{shown.candidate}: {_stage(shown)}"))
    if shown.evidence is not None:
        fields += _evidence(shown.evidence)
    if shown.likely_us is not None:
        fields.append(("May be there", clock_text(shown.likely_us)))
    fields += [(f"Held back by {by}", short(reason)) for reason, by in shown.paused.items()]
    if shown.confounded:
        fields.append(("Beware", shown.confounded))
    buttons = [Button(label="History", line=f"canary history {shown.name}")]
    if shown.candidate is not None and shown.says == "advance":
        ask = "Why now?"
        buttons.insert(
            0, Button(label="Promote", line=f"canary promote {shown.candidate}", style="good", asks=ask)
        )
    if shown.candidate is not None and shown.stage not in {"live", "rolled_back"}:
        buttons.append(Button(label="Hold", line=f"canary pause {shown.name}", asks="Why?"))
        buttons.append(Button(label="Abort", line=f"canary abort {shown.name}", style="danger", asks="Why?"))
    return Reply(
        title=f"{shown.name}: {_stage(shown)}",
        tone="warning" if shown.paused else _TONES.get(shown.says, "plain"),
        text=shown.reason,
        fields=tuple(fields),
        buttons=tuple(buttons),
    )


def _evidence(seen: Evidence) -> list[tuple[str, str]]:
    fields = []
    if seen.compared:
        fields.append(("Agreed in shadow", f"{_part(seen.agreed, seen.compared)} episodes"))
    for name, arm in (("Canary", seen.canary), ("Control", seen.control)):
        if arm.episodes:
            fields.append((f"{name} failed in", _arm(arm)))
    if seen.requirements:
        lines = [
            f"{'✓' if each.met else '✗'} {each.name}: "
            f"{number_text(each.measured)} of {number_text(each.needed)}"
            for each in seen.requirements
        ]
        fields.append(("Asked for", "\n".join(lines)))
    return fields


def _arm(arm: ArmTally) -> str:
    return f"{arm.failures:,} of {arm.episodes:,} episodes ({arm.failures / arm.episodes:.1%})"


def _part(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" + (f" ({part / whole:.1%})" if whole else "")


def _stepped(stepped: wire.Stepped, asker: Asker) -> Reply:
    where = stepped.now.replace("_", " ")
    if not stepped.moved:
        likely = stepped.likely_us
        when = [("May be there", clock_text(likely))] if likely is not None else []
        return Reply(
            title=f"{stepped.capability} stays in {where}",
            outcome="refused",
            tone="warning",
            text=stepped.reason,
            fields=(*_evidence(stepped.evidence), *when),
        )
    down = stepped.now == "rolled_back"
    return Reply(
        title=f"{stepped.capability} was rolled back" if down else f"{stepped.capability} went to {where}",
        tone="danger" if down else "good",
        text=f"It was in {stepped.was.replace('_', ' ')}. {stepped.reason}",
        fields=(("By", asker.person), *_evidence(stepped.evidence)),
        buttons=(Button(label="Status", line=f"canary status {capability_name(stepped.capability)}"),),
    )


def told(fact: Any) -> tuple[str, str, str]:
    """Say what happened to a rollout, by whom and why; empty for nobody and nothing."""
    match fact:
        case f.StageChanged():
            return f"{fact.capability} {fact.was} → {fact.now}", fact.by, fact.reason
        case f.PromotionRefused():
            return f"{fact.capability} refused in {fact.stage}", fact.by, fact.reason
        case f.PromotionReady():
            return f"{fact.capability} ready for {fact.stage}", "", ""
        case f.CapabilityReplayed():
            shown = f"{fact.decisions:,} decisions, {fact.failed:,} of those allowed failed"
            return f"{fact.capability} replayed", fact.by, shown
        case _:
            kind = f.tag_of(fact).replace("_", " ")
            return f"{fact.capability} {kind}", fact.by, fact.reason


def _step(fact: Any) -> str:
    what, by, why = told(fact)
    return what + (f" by {by}" if by else "") + (f": {short(why, 80)}" if why else "")
