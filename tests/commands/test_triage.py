"""Many waits: the most pressing first, equal ones together, and each answered by itself."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from engine.commands import triage
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.actions import RISK_RANK, RiskLevel
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.verdicts import Wait
from engine.runtime import wire
from tests.builders import changed, impact, rule_book
from tests.commands.desks import Desk, Given, tools_on
from tests.live.engines import asked, engine, performing


def hold(number=1, risk="LOW", until_us=0, **values):
    given = {
        "since_us": 0,
        "agent": "coder-1",
        "capability": "heal@1",
        "action": "cache.clear",
        "episode": "",
        "digest": "00" * 32,
        "waits": (Wait(kind="person", role="responder"),),
        "approved_by": (),
        "rule": "escalation.below_confidence",
    }
    return wire.HoldShown(
        decision_id=f"d_{number:015x}", risk=RiskLevel(risk), until_us=until_us, **given | values
    )


SOME = st.lists(
    st.builds(
        hold,
        number=st.integers(0, 10**6),
        risk=st.sampled_from([level.value for level in RiskLevel]),
        until_us=st.integers(0, 100),
        action=st.sampled_from(["cache.clear", "file.write"]),
        capability=st.sampled_from(["heal@1", "mend@1"]),
    ),
    max_size=30,
    unique_by=lambda each: each.decision_id,
)


@given(SOME)
def test_nothing_stands_before_what_is_riskier_or_sooner_over(holds):
    ordered = triage.in_order(holds)
    for one, other in itertools.pairwise(ordered):
        ranks = RISK_RANK[one.risk], RISK_RANK[other.risk]
        assert ranks[0] > ranks[1] or (ranks[0] == ranks[1] and one.until_us <= other.until_us)


@given(SOME)
def test_each_is_in_one_group_of_its_equals(holds):
    groups = triage.grouped(holds)
    assert sorted(each.decision_id for group in groups for each in group.holds) == sorted(
        each.decision_id for each in holds
    )
    for group in groups:
        assert len({(each.action, each.capability, each.rule) for each in group.holds}) == 1
    assert len({group.name for group in groups}) == len(groups)


def test_class_a_is_never_approved_together():
    two = Wait(kind="person", role="responder", needed=2, step_up=True)
    (group,) = triage.grouped([hold(1, waits=(two,)), hold(2, waits=(two,))])
    assert not triage.may_go_together(group)


@contextlib.asynccontextmanager
async def many(tmp_path, number):
    """A desk on an engine where so many decisions wait, a third of them riskier than the others."""
    async with engine(tmp_path, performing()) as running:
        tools, close = tools_on(tmp_path, running.client, running.fence)
        desk = Desk(tools)
        wishes = [
            asked(nth, action="file.write", args={"path": f"a{nth}", "content": "b"}, confidence=0.1)
            if nth % 3
            else asked(nth, action="service.scale", args={"service": "web", "replicas": nth}, confidence=0.1)
            for nth in range(number)
        ]
        await asyncio.gather(*(running.client.ask(wire.Propose(proposal=wish)) for wish in wishes))
        try:
            yield Given(desk, running)
        finally:
            await desk.close()
            for each in close:
                each.close()


def test_what_one_rule_holds_and_what_another_holds_too_are_two_groups(tmp_path):
    async def script():
        rules = rule_book(("files == 1", "escalate", {"reason": "a stranger"}))
        async with engine(tmp_path, changed(performing(), rules=rules)) as running:
            for nth in range(4):
                wish = asked(nth, confidence=0.1, impact=impact(files=nth % 2))
                await running.client.ask(wire.Propose(proposal=wish))
            return triage.grouped((await running.client.ask(wire.GetHolds())).holds)

    groups = asyncio.run(script())
    rules = [each.holds[0].rule for each in groups]
    assert sorted(rules) == ["escalation.below_confidence", "r0, escalation.below_confidence"]
    assert [len(each.holds) for each in groups] == [2, 2]


def test_a_group_is_approved_together_each_answered_by_itself_and_none_that_came_later(tmp_path):
    async def script():
        async with many(tmp_path, 12) as given:
            shown = await given.say("ray", "decisions")
            assert [row[1:3] for row in shown.table.rows] == [("4", "service.scale"), ("8", "file.write")]
            asks = await given.say("ray", shown.buttons[1].line)
            assert all(decision_id(f"p-{nth}") in asks.text for nth in range(12) if nth % 3)
            later = asked(99, action="file.write", args={"path": "z", "content": "b"}, confidence=0.1)
            await given.engine.client.ask(wire.Propose(proposal=later))
            await given.say("ray", f"deny {decision_id('p-1')} not this one")
            done = await given.confirm("ray", asks)
            assert done.title == "ray approved 7 of 8", done
            await given.desk.close()
            facts = [f.decode(record.body) for record in given.desk.tools.journal().read(after=0)]
            answered = [
                each for each in facts if isinstance(each, f.HoldAnswered) and each.answer == "approve"
            ]
            assert {each.decision_id for each in answered} == {
                decision_id(f"p-{nth}") for nth in range(2, 12) if nth % 3
            }
            assert len({each.digest for each in answered}) == 7, "each is bound to what it is"
            left = await given.engine.client.ask(wire.GetHolds())
            assert decision_id("p-99") in {each.decision_id for each in left.holds}

    asyncio.run(script())


def test_a_group_that_is_gone_or_alone_is_refused(tmp_path):
    async def script():
        async with many(tmp_path, 2) as given:
            assert "nothing of group" in (await given.say("ray", "approve-all g_00000000")).text
            found = await triage.waiting(given.desk.tools)
            alone = triage.grouped(found.holds)[0].name
            assert "one by one" in (await given.say("ray", f"approve-all {alone}")).text

    asyncio.run(script())


def test_a_thousand_waits_are_listed_and_put_in_order_quickly(tmp_path, capsys):
    async def script():
        async with many(tmp_path, 1_000) as given:
            took = []
            for _ in range(5):
                began = time.perf_counter()
                shown = await given.say("ray", "decisions")
                took.append(time.perf_counter() - began)
            assert shown.title == "1,000 decisions waiting for people"
            return sorted(took)[2]

    median_s = asyncio.run(script())
    with capsys.disabled():
        # Printed and not gated: a figure of a busy machine says nothing about the code.
        print(f"\n1,000 waits listed and put in order: {median_s * 1000:.0f} ms, the median of 5")
