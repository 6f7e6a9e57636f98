"""Looking: what waits, what was decided and why, what was used, and who did what. Changes nothing."""

from collections.abc import Callable
from typing import Any, Final

from engine.adapters.machine_time import now_us
from engine.commands import beforehand, triage
from engine.commands import catalogue as c
from engine.commands.cards import came_of_it, card, clock_text, ending_of, left_text, short
from engine.commands.lookup import newest
from engine.commands.model import Asker, Button, Reply, Table
from engine.commands.standing import Standing, proposal_of, standing_from
from engine.commands.tools import Tools
from engine.commands.tracing import trace
from engine.core.explain import explain as explanation_of
from engine.core.explain import text as explained
from engine.core.plain_text import count_text
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import AgentId, DecisionId
from engine.core.vocabulary.units import SECOND_US, duration_text, percent_text
from engine.errors import Unreachable
from engine.ports import DecisionFilter, DecisionsReader
from engine.runtime import wire, wire_figures

_MOST: Final = 10
_AUDITED: Final = (
    f.CommandGiven,
    f.HoldEnded,
    f.DecisionOverridden,
    f.StandingGiven,
    f.StandingEnded,
    f.KillSwitchSet,
    f.KillSwitchCleared,
    f.StageChanged,
    f.RolloutPaused,
    f.RolloutResumed,
    f.UndoRequested,
    f.TroubleGone,
    f.SnapshotRestored,
)
_STATUS_S: Final = 2.0


async def status(tools: Tools, asker: Asker, said: c.Status) -> Reply:
    """Say how everything is, with the engine or without."""
    stops = tools.fence.stops()
    stopped = [
        f"{stop.scope} by {stop.by}{f': {short(stop.reason)}' if stop.reason else ''}" for stop in stops
    ]
    try:
        engine = await tools.ask(wire.GetStatus(), wire.EngineStatus, timeout_s=_STATUS_S)
    except Unreachable as away:
        return Reply(
            title="The engine does not answer",
            tone="danger",
            text=f"{away.message}. Nothing is decided or begun. The kill switch works all the same.",
            fields=(("Stopped", "\n".join(stopped) or "nothing"),),
        )
    troubles = [f"{name}: {short(detail)}" for name, detail in engine.troubles.items()]
    way = [
        f"{each.candidate or each.name}: {each.stage.replace('_', ' ')}{' (paused)' if each.paused else ''}"
        for each in engine.rollouts
    ]
    fields = [
        ("Stopped", "\n".join(stopped) or "nothing"),
        ("Waiting for people", str(engine.holds)),
        ("Effects", f"{engine.running} under way, {engine.queued} waiting"),
        ("Live", "\n".join(sorted(engine.live.values())) or "nothing"),
        ("On the way", "\n".join(way) or "nothing"),
        ("Agents", str(len(engine.agents))),
    ]
    if troubles:
        fields.insert(0, ("Trouble", "\n".join(troubles)))
    bad = bool(troubles) or bool(stops)
    return Reply(
        title="Autonomy is stopped" if "all" in {str(stop.scope) for stop in stops} else "Autonomy is on",
        tone="danger" if bad else "good",
        fields=tuple(fields),
        buttons=(Button(label="What waits", line="decisions"),),
        footer=f"{tools.version} · record {engine.journal_seq:,} · policy {engine.policy_hash[:12]}",
    )


async def decisions(tools: Tools, asker: Asker, said: c.Decisions) -> Reply:
    """List what waits, or the newest decisions."""
    if said.which == "waiting":
        return await _waiting(tools, said.agent)
    wanted = DecisionFilter(
        agent=AgentId(said.agent) if said.agent else None,
        word=None if said.which == "all" else said.which,
    )

    def page(journal: DecisionsReader) -> list[Standing]:
        found = journal.decisions(wanted, most=_MOST).records
        return [standing for record in found if (standing := standing_from(journal, record)) is not None]

    rows = [
        (
            each.verdict.decision_id,
            each.status,
            each.verdict.agent,
            each.verdict.action,
            clock_text(each.verdict.at_us),
        )
        for each in await tools.look(page)
    ]
    return Reply(
        title=f"The newest {count_text(len(rows), 'decisions')}" if rows else "No decisions",
        table=Table(columns=("decision", "stands", "agent", "action", "at"), rows=tuple(rows))
        if rows
        else None,
        buttons=tuple(Button(label=f"Explain {row[0][:6]}…", line=f"explain {row[0]}") for row in rows[:3]),
    )


async def _waiting(tools: Tools, agent: str) -> Reply:
    found = await triage.waiting(tools)
    standing = await tools.ask(wire.GetStanding(), wire.StandingList)
    wanted = triage.in_order([hold for hold in found.holds if not agent or hold.agent == agent])
    holds, left = wanted[:_MOST], len(wanted) - _MOST + found.more
    groups = [each for each in triage.grouped(wanted) if triage.may_go_together(each)]
    if len(wanted) > _MOST and len(groups) > 0:
        return _by_group(wanted, triage.grouped(wanted), beforehand.summary(standing))
    more = f"{left} more wait." if left > 0 else ""
    rows = tuple(
        (
            hold.decision_id,
            hold.agent,
            hold.action,
            _left(hold.until_us),
            ", ".join(hold.approved_by) or "nobody yet",
        )
        for hold in holds
    )
    return Reply(
        title=f"{count_text(len(wanted) + found.more, 'decisions')} waiting for people"
        if rows
        else "Nothing waits for people",
        tone="warning" if rows else "good",
        table=Table(columns=("decision", "agent", "action", "time left", "approved by"), rows=rows)
        if rows
        else None,
        text="\n".join(filter(None, (more, beforehand.summary(standing)))),
        buttons=tuple(
            Button(label=f"{hold.action[:30]} {hold.decision_id[2:8]}", line=f"explain {hold.decision_id}")
            for hold in holds[:5]
        ),
    )


def _by_group(holds: list[wire.HoldShown], groups: list[triage.Group], standing: str) -> Reply:
    """Show many waits as groups of equal ones, the most pressing first."""
    shown = groups[:_MOST]
    rows = tuple(
        (
            each.name,
            str(len(each.holds)),
            each.holds[0].action,
            each.holds[0].capability,
            each.holds[0].rule or "–",
            each.holds[0].risk.value,
            _left(min(hold.until_us for hold in each.holds)),
        )
        for each in shown
    )
    together = [each for each in shown if triage.may_go_together(each)][:5]
    more = f"{len(groups) - len(shown)} more groups wait." if len(groups) > len(shown) else ""
    return Reply(
        title=f"{count_text(len(holds), 'decisions')} waiting for people",
        tone="warning",
        table=Table(
            columns=("group", "waiting", "action", "capability", "rule", "risk", "time left"), rows=rows
        ),
        text="\n".join(filter(None, (more, standing))),
        buttons=tuple(
            Button(
                label=f"Approve all {min(len(each.holds), triage.MOST_AT_ONCE)} of {each.name}",
                line=f"approve-all {each.name}",
                style="good",
            )
            for each in together
        ),
        footer="/decisions waiting AGENT shows those of one agent",
    )


async def explain(tools: Tools, asker: Asker, said: c.Explain) -> Reply:
    """Explain one decision."""
    standing = tools.standing(said.decision_id)
    journal = tools.journal()
    verdict = standing.verdict
    path = await tools.look(lambda looking: trace(looking, verdict, goes_on=not standing.settled))
    proposal = proposal_of(journal, verdict.proposal_id)
    lines = explained(explanation_of(verdict, proposal, path=path))
    shown = card(journal, standing)
    ending = ending_of(journal, DecisionId(said.decision_id))
    return Reply(
        title=shown.title,
        tone=shown.tone,
        text=lines,
        fields=tuple(came_of_it(standing, ending)),
        buttons=tuple(button for button in shown.buttons if button.label != "Explain"),
        footer=shown.footer,
        about=verdict.decision_id,
        episode=verdict.episode,
    )


async def audit(tools: Tools, asker: Asker, said: c.Audit) -> Reply:
    """List who did what."""

    def walk(journal: DecisionsReader) -> list[tuple[int, f.Fact]]:
        return newest(journal, _AUDITED, asked_for, most=_MOST)

    def asked_for(fact: f.Fact) -> bool:
        return (not said.person or said.person in _who(fact)) and not _is_begun(fact)

    rows = tuple(
        (f"{seq:,}", clock_text(fact.at_us), ", ".join(_who(fact)) or "–", short(_did(fact), 80))
        for seq, fact in await tools.look(walk)
    )
    return Reply(
        title=f"What {said.person or 'people'} did lately" if rows else "Nothing was done by anybody",
        table=Table(columns=("record", "at", "who", "what"), rows=rows) if rows else None,
        footer="watchkeeper journal verify proves that nothing was changed",
    )


async def agents(tools: Tools, asker: Asker, said: c.Agents) -> Reply:
    """List agents, and what came of what they proposed last."""
    engine = await tools.ask(wire.GetStatus(), wire.EngineStatus, timeout_s=_STATUS_S)

    def last(agent: AgentId) -> Callable[[DecisionsReader], str]:
        def question(journal: DecisionsReader) -> str:
            records = journal.decisions(DecisionFilter(agent=agent), most=20).records
            facts = [f.decode(record.body) for record in records]
            words = [fact.verdict.word for fact in facts if isinstance(fact, f.VerdictReached)]
            return ", ".join(
                f"{words.count(word)} {word}" for word in ("allow", "hold", "deny") if word in words
            )

        return question

    rows = [
        (seen.agent, _ago(seen.last_us), await tools.look(last(seen.agent)) or "nothing yet")
        for seen in sorted(engine.agents, key=lambda each: -each.last_us)[:_MOST]
    ]
    return Reply(
        title=count_text(len(engine.agents), "agents") if rows else "No agent was heard of yet",
        table=Table(columns=("agent", "last heard", "last 20 decisions"), rows=tuple(rows)) if rows else None,
        text="" if rows else "watchkeeper token create --agent NAME lets one in.",
    )


async def budget(tools: Tools, asker: Asker, said: c.Budget) -> Reply:
    """Say what was used of each limit."""
    agent = AgentId(said.agent) if said.agent else None
    found = await tools.ask(wire_figures.GetUsage(agent=agent), wire_figures.UsageList)
    rows = tuple(
        (
            each.limit.id,
            each.agent or "all together",
            f"{_plain(each.used)} of {_plain(each.limit.most)} {each.limit.measure}",
            percent_text(min(1.0, float(each.used / each.limit.most))) if each.limit.most else "–",
            duration_text(each.limit.window_us / SECOND_US),
        )
        for each in found.usage
    )
    return Reply(
        title="What was used of each window",
        table=Table(columns=("limit", "by", "used", "share", "window"), rows=rows) if rows else None,
        text="" if rows else "Nothing was used yet.",
    )


async def limits(tools: Tools, asker: Asker, said: c.Limits) -> Reply:
    """Say which limits hold."""
    found = await tools.ask(wire_figures.GetUsage(), wire_figures.UsageList)
    known = {each.limit.id: each.limit for each in found.usage}

    def adopted(journal: DecisionsReader) -> tuple[f.Limit, ...]:
        for record in journal.facts("policy_adopted", most=1).records:
            fact = f.decode(record.body)
            if isinstance(fact, f.PolicyAdopted):
                return fact.limits
        return tuple(known.values())

    rows = tuple(
        (
            limit.id,
            f"{_plain(limit.most)} {limit.measure}",
            duration_text(limit.window_us / SECOND_US),
            "each agent" if limit.per == "agent" else "all together",
            limit.owner,
        )
        for limit in await tools.look(adopted)
    )
    return Reply(
        title="Limits in force",
        table=Table(columns=("limit", "most", "within", "for", "may change it"), rows=rows),
        footer="They live in policies/limits.yaml",
    )


def _who(fact: Any) -> list[str]:
    by = getattr(fact, "by", "")
    return [str(each) for each in by] if isinstance(by, tuple) else [str(by)]


def _is_begun(fact: f.Fact) -> bool:
    return isinstance(fact, f.CommandGiven) and fact.outcome == "begun"


def _did(fact: Any) -> str:  # noqa: PLR0911 - one answer for each kind of fact
    match fact:
        case f.CommandGiven():
            said = f"/{fact.command} at {fact.front}"
            return said if fact.outcome == "done" else f"{said}: {fact.outcome}, {fact.detail}"
        case f.HoldEnded():
            return f"{fact.how} {fact.action} of {fact.agent} ({fact.decision_id})"
        case f.StandingGiven():
            return f"approved {fact.action} beforehand ({fact.standing_id}): {fact.reason}"
        case f.StandingEnded():
            return f"{fact.how} {fact.standing_id} ({fact.action})"
        case f.DecisionOverridden():
            return f"{fact.word} {fact.decision_id}: {fact.reason}"
        case f.KillSwitchSet():
            return f"stopped {fact.scope}: {fact.reason}"
        case f.KillSwitchCleared():
            return f"resumed {fact.scope}: {fact.reason}"
        case f.StageChanged():
            return f"{fact.capability} {fact.was} → {fact.now}: {fact.reason}"
        case f.UndoRequested():
            return f"undo {fact.of}: {fact.reason}"
        case f.SnapshotRestored():
            return f"restored {', '.join(fact.parts)} of {fact.snapshot_id}"
        case _:
            kind = f.tag_of(fact).replace("_", " ")
            name = getattr(fact, "capability", getattr(fact, "trouble", ""))
            return f"{kind} {name}: {getattr(fact, 'reason', getattr(fact, 'detail', ''))}"


def _plain(amount: Any) -> str:
    return f"{amount.normalize():f}"


def _left(until_us: int) -> str:
    return left_text((until_us - now_us()) / SECOND_US)


def _ago(at_us: int) -> str:
    return f"{left_text((now_us() - at_us) / SECOND_US)} ago"
