"""Limits hold however many agents race for what is left, in whatever order they come."""

import asyncio
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import VerdictReached, decode
from engine.core.vocabulary.proposals import Impact
from engine.core.vocabulary.units import HOUR_US, MINUTE_US
from engine.runtime import wire
from engine.runtime.client import EngineClient
from tests.builders import changed, shipped
from tests.live.engines import AGAIN, asked, engine, performing

AGENTS = 8
HOUR_USD = Decimal(10)

cents = st.integers(1, 999).map(lambda n: Decimal(n) / 100)
# Which agent comes next, what it wants, and how many minutes pass before: mostly none, so that they race.
steps = st.lists(
    st.tuples(st.integers(0, AGENTS - 1), cents, st.sampled_from([0, 0, 0, 0, 0, 1, 31])),
    min_size=AGENTS,
    max_size=40,
)


def policy():
    """The shipped limits, on an action that we perform."""
    return changed(performing(cache_clear=AGAIN), limits=shipped().limits)


def spent(home):
    """When what was allowed and executed, from the journal."""
    with SqliteReader(home / "journal.db") as journal:
        verdicts = [
            fact.verdict for r in journal.read() if isinstance(fact := decode(r.body), VerdictReached)
        ]
    return [(v.at_us, v.impact.cost_usd) for v in verdicts if v.word == "allow" and not v.shadowed]


def most_in_an_hour(allowed):
    """The largest sum of anything allowed within an hour of itself."""
    return max(
        (sum(usd for at, usd in allowed if until - HOUR_US < at <= until) for until, _ in allowed),
        default=Decimal(0),
    )


async def race(clients, turn):
    """Have all agents of one moment propose at once, each over its own connection."""
    await asyncio.gather(
        *(
            clients[agent].ask(
                wire.Propose(
                    proposal=asked(
                        number,
                        agent=f"agent-{agent}",
                        impact=Impact(cost_usd=usd),
                    )
                )
            )
            for number, agent, usd in turn
        ),
        return_exceptions=True,
    )


@settings(max_examples=25, deadline=None)
@given(steps=steps, restart_after=st.integers(0, 40), order=st.randoms(use_true_random=False))
def test_eight_agents_racing_for_the_last_dollar_never_pass_the_limit(
    tmp_path_factory, steps, restart_after, order
):
    home = tmp_path_factory.mktemp("race")
    turns: list[list[tuple[int, int, Decimal]]] = [[]]
    waits = [0]
    for number, (agent, usd, minutes) in enumerate(steps):
        if minutes or number == restart_after:
            turns.append([])
            waits.append(minutes)
        turns[-1].append((number, agent, usd))
    for turn in turns:
        order.shuffle(turn)

    async def play():
        passed_us = 0
        for turn, minutes in zip(turns, waits, strict=True):
            # A new engine each time: what was spent must not be forgotten with the process.
            async with engine(home, policy()) as it:
                passed_us += minutes * MINUTE_US
                it.clock.pass_us(passed_us)
                clients = [EngineClient(home / "engine.sock") for _ in range(AGENTS)]
                await race(clients, turn)
                for client in clients:
                    await client.close()

    asyncio.run(play())
    allowed = spent(home)
    assert most_in_an_hour(allowed) <= HOUR_USD


def test_the_race_is_a_race(tmp_path):
    """Without the limit the same agents spend more: the property above can fail."""

    async def play(home, without):
        async with engine(home, performing(cache_clear=AGAIN) if without else policy()):
            clients = [EngineClient(home / "engine.sock") for _ in range(AGENTS)]
            turn = [(n, n % AGENTS, Decimal("1.99")) for n in range(24)]
            await race(clients, turn)
            for client in clients:
                await client.close()

    for name, without in (("free", True), ("held", False)):
        home = tmp_path / name
        home.mkdir()
        asyncio.run(play(home, without))
        total = most_in_an_hour(spent(home))
        assert (total > HOUR_USD) == without
        assert without or total > Decimal(7), "as much as fits is used, not just nothing"
