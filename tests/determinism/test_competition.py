"""Under a policy that puts what competes to a vote, the way a history is taken does not show either."""

from collections import Counter
from random import Random

import pytest

from engine.adapters.journal_memory import MemoryJournal
from engine.core.vocabulary import facts as f
from engine.core.work.contests import on_ballot
from engine.runtime.loop import Loop
from engine.wiring import build_policy, read_policy
from tests.builders import NOON_US, proposal
from tests.determinism import gate, histories
from tests.report.replays import another_policy

SECOND_US = 1_000_000
COMPETITION = """competition:
  method: {method}
  within_s: 300
  quorum: 2
  captain_s: 600
  failsafe: hold
  losers: {losers}
"""


def told(policy, steps=400):
    """Tell of agents that want the same four services, of people who vote and settle; and what it led to.

    Ballots name the contest that is open, so the engine is asked on the way; its own facts stay out.
    """
    chance, journal, kinds = Random(7), MemoryJournal(), Counter()
    loop = Loop(build_policy(read_policy(policy)), journal)
    loop.adopt(NOON_US)
    facts = []

    def tell(fact):
        facts.append(fact)
        for decisions in loop.feed([(f"told:{len(facts)}", fact)]):
            kinds.update(type(each) for each in decisions.facts)

    for step in range(steps):
        at_us = NOON_US + step * 30 * SECOND_US
        match chance.randrange(5):
            case 0 | 1:
                asked = proposal(
                    "cache.clear",
                    {"service": f"web-{chance.randrange(4)}"},
                    proposal_id=f"p-{step}",
                    agent=f"coder-{chance.randrange(6)}",
                    episode=f"e-{step}",
                )
                tell(f.ProposalReceived(at_us=at_us, proposal=asked))
            case 2:
                running = [each for each in facts if isinstance(each, f.ProposalReceived)]
                done = chance.choice(running).proposal if running else None
                if done is not None:
                    tell(
                        f.OutcomeReported(
                            at_us=at_us,
                            proposal_id=done.proposal_id,
                            agent=done.agent,
                            capability=done.capability,
                            action=done.action,
                            ok=True,
                            by="executor",
                        )
                    )
            case 3:
                for resource, wanted in sorted(loop.state.contests.by_resource.items()):
                    if wanted.contest is None:
                        continue
                    alternatives = tuple(on_ballot(wanted, at_us))
                    named = {
                        "contest_id": wanted.contest.contest_id,
                        "resource": resource,
                        "decisions": alternatives,
                    }
                    voter = chance.choice(["ann", "ben", "cat"])
                    choices = tuple(chance.sample(alternatives, chance.randint(0, len(alternatives))))
                    tell(f.BallotCast(at_us=at_us, voter=voter, owner=voter, choices=choices, **named))
                    if choices and chance.random() < 0.2:
                        tell(f.ContestSettled(at_us=at_us, choice=choices[0], by="dan", **named))
            case _:
                tell(f.TimePassed(at_us=at_us, schedule="minute"))
    return facts, kinds


@pytest.mark.parametrize(("method", "losers"), [("approval", "deny"), ("borda", "wait")])
def test_the_way_does_not_show(tmp_path, method, losers):
    policy = another_policy(
        tmp_path / "config",
        ("voting.yaml", "competition: null\n", COMPETITION.format(method=method, losers=losers)),
        ("rollouts.yaml", "established: []", "established: [heal@1]"),
    )
    facts, kinds = told(policy)
    for kind in (f.ContestOpened, f.ContestDecided, f.ContestUndecided, f.HoldEnded):
        assert kinds[kind] > 2, kinds
    recording = histories.record(tmp_path / "competing.wkr", facts, group_facts=60)
    ways = ["live", "1 shard", "2 shards", "without results", "resumed after every group"]
    found = gate.prints(recording, ways, policy)
    assert gate.complaints(found) == []
    assert gate.complaints({"1 shard": found["1 shard"], "2 shards": found["2 shards"]}) == []
