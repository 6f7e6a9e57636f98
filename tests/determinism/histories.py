"""Histories for the gate: seeded, with every kind of fact and whatever is awkward to repeat."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import digest_of
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import DecisionId, Digest, decision_id
from engine.core.vocabulary.proposals import Changed, Impact, Option, Proposal
from engine.core.vocabulary.units import DAY_US, HOUR_US, SECOND_US
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.recording import Header, Label, Origin, RecordingWriter, writer
from simulator.world.week import history
from tests.determinism.wakings import woken

SEED = 11
DAYS = 2
GROUP_FACTS = 500
"""Far fewer than in earnest, so that a short history has groups to stop between."""
RECORDED = tuple(kind for kind in f.FACT_TYPES.values() if kind not in f.OWN_FACTS)
"""What a recording holds. Policies and verdicts are left to the replay."""

_AGENTS = ("coder-1", "über", "a" * 60, "healer-1")
_CAPABILITIES = ("mend@1", "mend@2", "ship-release@2", "restart-unhealthy@3")
_ADDRESSES = tuple(f"{name}@{host}.example" for name in ("ann", "bob", "eve") for host in ("x", "y", "z"))
_COSTS = ("0", "0.10", "0.1", "1E+1", "3.333", "0.000000000001", "49.99", "50")


@functools.cache
def facts() -> tuple[f.Fact, ...]:
    """A made-up world with everything awkward strewn in, in order of time."""
    world = [told for told in history(SEED, DAYS) if isinstance(told, f.Fact)]
    chance, start_us = Random(SEED), world[0].at_us
    strewn: list[f.Fact] = []
    for number in range(900):
        # Whole seconds, so that many share their time with others.
        at_us = start_us + chance.randrange(DAYS * DAY_US // SECOND_US) * SECOND_US
        strewn += _awkward(chance, number, at_us)
    return tuple(sorted([*world, *strewn], key=lambda fact: fact.at_us))


def labels(*, unsafe_every: int = 7) -> Iterator[Label]:
    """A label for each proposal."""
    proposals = [fact.proposal for fact in facts() if isinstance(fact, f.ProposalReceived)]
    for number, proposal in enumerate(proposals):
        unsafe = number % unsafe_every == 0
        yield Label(
            proposal_id=proposal.proposal_id,
            unsafe=unsafe,
            benign_episode=not unsafe,
            episode=proposal.episode,
        )


def record(
    path: Path,
    told: Iterable[f.Fact] | None = None,
    known: Iterable[Label] = (),
    group_facts: int = GROUP_FACTS,
) -> Path:
    """Write a recording of many small groups."""
    whole, writer.GROUP_FACTS = writer.GROUP_FACTS, group_facts
    try:
        with RecordingWriter(path, Header(source="made", origin=Origin(name="gate"))) as out:
            for fact in facts() if told is None else told:
                out.write(fact)
            for label in known:
                out.label(label)
    finally:
        writer.GROUP_FACTS = whole
    return path


def one_changed(kind: type[f.Fact], **values: Any) -> list[f.Fact]:
    """The same history, but for the middle one of all facts of this kind.

    A value that can be called is given the one it replaces.
    """
    changed = list(facts())
    places = [place for place, fact in enumerate(changed) if isinstance(fact, kind)]
    place = places[len(places) // 2]
    fact = changed[place]
    new = {name: value(getattr(fact, name)) if callable(value) else value for name, value in values.items()}
    changed[place] = msgspec.structs.replace(fact, **new)
    return changed


def _awkward(chance: Random, number: int, at_us: int) -> Iterator[f.Fact]:
    who, what = chance.choice(_AGENTS), chance.choice(_CAPABILITIES)
    name, episode = what.partition("@")[0], f"odd-{chance.randrange(40)}"
    match number % 9:
        case 0:
            series, value = f"odd/{chance.randrange(30)}", chance.choice([0.1, -0.0, 1e-300, 1e130, 1 / 3])
            yield f.MetricObserved(at_us=at_us, series=series, value=value * chance.random())
        case 1 | 2:
            told = " and ".join(chance.sample(_ADDRESSES, 4)) + " 谢谢\n\u202e"
            source: Any = chance.choice(["person", "tool", "agent"])
            yield f.MessageObserved(at_us=at_us, episode=episode, source=source, text=told)
        case 3 | 4 | 5:
            asked = _proposal(chance, number, who, what, episode)
            yield f.ProposalReceived(at_us=at_us, proposal=asked)
            yield from _answered(chance, asked, at_us)
        case 6 if number % 2:
            yield from _rolled_out(chance, number, what, at_us, episode)
        case 6:
            yield f.CapabilityPromoted(at_us=at_us, capability=what, by="ann")
            yield f.OutcomeReported(
                at_us=at_us,
                proposal_id=f"odd-{number}",
                agent=who,
                capability=what,
                action="service.restart",
                ok=chance.random() < 0.3,
                by="executor",
            )
        case 7:
            reason = chance.choice(["freeze", "incident", "été"])
            kind = chance.choice([f.RolloutPaused, f.RolloutResumed])
            yield kind(at_us=at_us, capability=name, reason=reason, by="ann")
            if chance.random() < 0.2:
                yield f.CapabilityDemoted(at_us=at_us, capability=name, by="ann")
        case _:
            scope = f.Scope(*chance.choice([("agent", who), ("capability", name), ("action", "http.get")]))
            yield f.KillSwitchSet(at_us=at_us, scope=scope, by="ben", reason="odd")
            yield f.KillSwitchCleared(at_us=at_us + chance.randrange(900) * SECOND_US, scope=scope, by="ben")
            yield f.EpisodeClosed(at_us=at_us, episode=episode)
            yield from _beforehand(number, at_us)
            if number % 5 == 3:
                yield from _handed_over(Random(number), at_us)
            yield from _performed(chance, number, who, what, at_us)
            yield from woken(Random(number), number, at_us)


def _handed_over(chance: Random, at_us: int) -> Iterator[f.Fact]:
    """Who is captain: begun, away, and offered to somebody who declines it, accepts it or says nothing."""
    by, to = chance.sample(["ann", "ben", "cat"], 2)
    later_us = at_us + chance.choice([0, 1, 600]) * SECOND_US
    yield f.CaptaincyBegun(at_us=at_us, captain=by, deputy=chance.choice(["", to]))
    yield f.DeputyNamed(at_us=at_us, by=by, deputy=to)
    yield f.CaptainAway(at_us=at_us, by=by, away=chance.random() < 0.7, reason="été")
    yield f.CaptaincyOffered(at_us=at_us, by=by, to=to, reason="谢谢")
    match chance.randrange(3):
        case 0:
            yield f.CaptaincyPassed(at_us=later_us, by=by, to=to)
        case 1:
            yield f.CaptaincyDeclined(at_us=later_us, by=to, reason="non")


@functools.cache
def _shipped_hash() -> Digest:
    return read_policy(SHIPPED_POLICY).policy_hash


def _beforehand(number: int, at_us: int) -> Iterator[f.Fact]:
    """What people approve before it is asked for, and think better of."""
    action, name = ("service.restart", "http.get", "file.write")[number % 3], f"s_{number}"
    yield f.StandingGiven(
        at_us=at_us,
        standing_id=name,
        by="ann",
        role="captain",
        action=action,
        args={},
        until_us=at_us + (1 + number % 7) * HOUR_US,
        policy_hash=_shipped_hash(),
        reason="odd",
    )
    if number % 4 == 0:
        yield f.StandingEnded(
            at_us=at_us + 600 * SECOND_US, standing_id=name, action=action, how="revoked", by="ben"
        )


def _rolled_out(chance: Random, number: int, what: str, at_us: int, episode: str) -> Iterator[f.Fact]:
    """What people and replays say of rollouts."""
    yield f.CapabilityReplayed(
        at_us=at_us,
        capability=what,
        recording="aa",
        journal_hash="bb",
        policy_hash="cc",
        decisions=500,
        allowed=400,
        failed=number % 3,
        unsafe=0 if chance.random() < 0.9 else 1,
        from_us=0,
        until_us=at_us,
        by="ann",
    )
    yield f.PromotionAsked(at_us=at_us, capability=what, by="ann", reason="été")
    yield f.IncumbentActed(
        at_us=at_us,
        episode=episode,
        capability=what.partition("@")[0],
        action="service.restart",
        args={"service": "web", "n": number},
        ok=chance.random() < 0.7,
        by="ben",
    )
    if chance.random() < 0.2:
        yield f.RolloutAborted(at_us=at_us, capability=what.partition("@")[0], by="ann")


def _answered(chance: Random, proposal: Proposal, at_us: int) -> Iterator[f.Fact]:
    """What people say of a decision within two hours: sometimes at once, twice, or to something else."""
    decision = decision_id(proposal.proposal_id)
    for _ in range(chance.randrange(4)):
        said_us = at_us + chance.choice([0, 1, 60, 7200]) * SECOND_US
        right = chance.random() < 0.9
        yield f.HoldAnswered(
            at_us=said_us,
            decision_id=decision,
            by=chance.choice(["ann", "ben", proposal.agent]),
            role=chance.choice(["viewer", "responder", "captain", "captain"]),
            answer=chance.choice(["approve", "approve", "approve", "deny"]),
            digest=digest_of(proposal.action, f.encode(proposal.args)) if right else "00",
        )
    # Chance of their own, so that votes leave everything else as it was.
    votes = Random(decision)
    for _ in range(votes.randrange(5)):
        voter = votes.choice(["ann", "ben", "cat", "agent:coder-2", "agent:coder-3"])
        yield f.VoteCast(
            at_us=at_us + votes.choice([0, 1, 60]) * SECOND_US,
            decision_id=decision,
            voter=voter,
            owner=voter,
            choice=votes.choice(["for", "for", "for", "against", "abstain"]),
            rationale=votes.choice(["", "déjà vu"]),
        )
    contest = {"contest_id": f"c_{votes.randrange(9)}", "resource": "service:web", "decisions": (decision,)}
    if votes.random() < 0.2:
        yield f.BallotCast(
            at_us=at_us, voter="ann", owner="ann", choices=(decision,), rationale="ü", **contest
        )
        yield f.ContestSettled(at_us=at_us, choice=decision, by="ben", reason="été", **contest)
    if votes.random() < 0.5:
        yield f.DecisionRated(
            at_us=at_us + votes.choice([0, 60]) * SECOND_US,
            decision_id=decision,
            proposal_id=proposal.proposal_id,
            agent=proposal.agent,
            capability=proposal.capability,
            action=proposal.action,
            by=votes.choice(["ann", "ben"]),
            rating=votes.choice(["useful", "wrong", "late"]),
            reason="déjà vu",
            confidence=proposal.confidence,
        )
    yield from _asked_about(Random(f"{decision} asked"), proposal, decision, at_us)
    if votes.random() < 0.5:
        yield _changed(votes, proposal, decision, at_us)
    if chance.random() < 0.3:
        word = chance.choice(["allow", "veto"])
        yield f.DecisionOverridden(at_us=at_us, decision_id=decision, by="cat", word=word, reason="été")
    yield f.CommandGiven(at_us=at_us, command="holds", by="ann", front="terminal", outcome="done")


def _asked_about(chance: Random, proposal: Proposal, decision: DecisionId, at_us: int) -> Iterator[f.Fact]:
    """A person wants to know more; the agent replies, or another does, or nobody."""
    for nth in range(1, chance.randrange(3) + 1):
        asked_us = at_us + chance.choice([0, 1, 60]) * SECOND_US
        by = chance.choice(["ann", "ben"])
        yield f.QuestionAsked(at_us=asked_us, decision_id=decision, nth=nth, by=by, question="vraiment ?")
        if chance.random() < 0.7:
            agent = proposal.agent if chance.random() < 0.9 else chance.choice(_AGENTS)
            yield f.QuestionReplied(
                at_us=asked_us + chance.choice([0, 60]) * SECOND_US,
                decision_id=decision,
                nth=nth,
                agent=agent,
                answer="谢谢, oui",
            )


def _changed(chance: Random, proposal: Proposal, decision: DecisionId, at_us: int) -> f.Fact:
    """A person puts another version in its place, or tries to."""
    shown = digest_of(proposal.action, f.encode(proposal.args))
    changed = Changed(
        of=decision,
        by=chance.choice(["ann", "ben"]),
        role=chance.choice(["viewer", "responder", "captain"]),
        digest=shown if chance.random() < 0.9 else "00",
        reason="à peu près",
    )
    wish = msgspec.structs.replace(
        proposal, proposal_id=f"{proposal.proposal_id}.changed", confidence=None, options=(), changed=changed
    )
    return f.ProposalReceived(at_us=at_us + chance.choice([0, 1, 60]) * SECOND_US, proposal=wish)


def _performed(chance: Random, number: int, who: str, what: str, at_us: int) -> Iterator[f.Fact]:
    """What a live engine journals around its decisions."""
    effect = {"effect_id": f"d_{number}", "decision_id": f"d_{number}", "kind": "perform"}
    yield f.EffectStarted(at_us=at_us, worker="worker-1:7", token=number, attempt=1, **effect)
    yield f.EffectEnded(
        at_us=at_us,
        proposal_id=f"odd-{number}",
        agent=who,
        capability=what,
        action="shell.run",
        token=number,
        status=chance.choice(["done", "failed", "unknown", "stopped", "refused"]),
        result=Result(success=chance.random() < 0.5, output="ü\n", execution_time_s=chance.random()),
        **effect,
    )
    yield f.EffectEndTold(
        at_us=at_us,
        agent=who,
        body="laptop",
        token=number,
        status="done",
        result=Result(success=True, output="ö", execution_time_s=0.5),
        **effect,
    )
    yield f.UndoRequested(
        at_us=at_us,
        effect_id=f"u_{number}",
        of=f"d_{number}",
        decision_id=f"d_{number}",
        proposal_id=f"odd-{number}",
        agent=who,
        capability=what,
        action="shell.run",
        by="ann",
    )
    yield f.PersonSeen(at_us=at_us, person="ann", role=chance.choice(["responder", "captain"]))
    yield f.TimePassed(at_us=at_us, schedule="minute")
    yield f.ProcessEnded(at_us=at_us, process="worker-1", how="signal 9", restarts=1)
    yield f.TroubleFound(at_us=at_us, trouble=chance.choice(["clock", "disk"]), detail="été")
    yield f.TroubleGone(at_us=at_us, trouble="clock", by="engine")
    yield f.SnapshotSaved(at_us=at_us, snapshot_id=f"s-{number}", journal_seq=number, files=3, size_bytes=9)
    yield f.SnapshotRestored(at_us=at_us, snapshot_id=f"s-{number}", by="ann", parts=("workspace",))


def _proposal(chance: Random, number: int, who: str, what: str, episode: str) -> Proposal:
    action, args = chance.choice([
        ("email.send", {"to": chance.sample(_ADDRESSES, 2), "subject": "ü", "body": "see www.x.example/a."}),
        ("service.restart", {"service": "web"}),
        ("shell.run", {"command": "ls\nrm -rf /var/lib/x"}),
        ("no.such.action", {"z": {"b": [1, {"y": None, "a": 0.1}], "a": "x"}, "a": 1e300}),
        ("file.write", {"path": ".github/workflows/x.yml", "content": "…"}),
    ])  # fmt: skip
    return Proposal(
        proposal_id=f"odd-{number}",
        agent=who,
        capability=what,
        action=action,
        args=args,
        episode=chance.choice(["", episode]),
        environment=chance.choice(["", "staging", "production"]),
        impact=Impact(
            cost_usd=Decimal(chance.choice(_COSTS)), files=chance.randrange(8), api_calls=chance.randrange(60)
        ),
        confidence=chance.choice([None, 0.7, 0.6999999999999999, 1.0, 0.95]),
        rationale=chance.choice(["", "because\tso"]),
        options=chance.choice([(), (Option(name="wait", why_not="urgent"), Option(name="do it"))]),
    )
