"""What the tests of the made-up world share: short stories, plans that are quick to satisfy, and sinks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from engine.adapters.journal_memory import MemoryJournal
from engine.core.policy import Policy
from engine.core.vocabulary.facts import CapabilityReplayed, Fact, ProposalReceived, VerdictReached
from engine.core.vocabulary.rollouts import RolloutPlan
from engine.core.vocabulary.units import DAY_US
from engine.core.work.rollout.assignment import in_canary
from engine.ports import Journal
from engine.runtime.loop import fact_of
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
from simulator.world.characters import Character
from simulator.world.faults import NONE, Faults
from simulator.world.policies import policy_for
from simulator.world.running import World
from simulator.world.sink import Engine, Nobody
from simulator.world.stories import HARMFUL_STORY, Story, Work, cast
from tests.builders import verdict

SHORT_SHADOW: dict[str, Any] = {"shadow_us": DAY_US, "replay_decisions": 1}
"""As shipped, but for a day in shadow."""
NO_SHADOW: dict[str, Any] = {"shadow_us": 0, "shadow_episodes": 1, "agreement": 0.01, "replay_decisions": 1}
"""Into the canary at once: for tests that look at nothing else."""


def busier(story: Story, base: float, incidents: float = 400.0) -> Story:
    """The same story in which more goes wrong, so that evidence comes sooner."""
    works = tuple(structs.replace(work, base=base, incidents=incidents) for work in story.works)
    return structs.replace(story, works=works)


def starring(character: Character, *, base: float = 0.1, **values: Any) -> Story:
    """A story of one line of work that people do, and a candidate of this character."""
    return cast(busier(structs.replace(HARMFUL_STORY, **values), base), character)


def with_partner(story: Story) -> Story:
    """Give the first candidate a partner that vouches for it."""
    work = story.works[0]
    candidate = structs.replace(work.candidate, partner="scaler-2")
    return structs.replace(story, works=(structs.replace(work, candidate=candidate), *story.works[1:]))


def work_of(story: Story) -> Work:
    return story.works[0]


def policy_of(story: Story, **plan: Any) -> Policy:
    """The shipped policy for this story, with another plan. Its hash is not computed again."""
    policy = build_policy(policy_for(story, read_policy(SHIPPED_POLICY)))
    changed = structs.replace(policy.rollouts, plan=RolloutPlan(**plan))
    return structs.replace(policy, rollouts=changed)


def replayed(story: Story) -> list[CapabilityReplayed]:
    """Every candidate went well in a replay."""
    return [
        CapabilityReplayed(
            at_us=story.start_us,
            capability=work.candidate.capability,
            recording="00",
            journal_hash="00",
            policy_hash="00",
            decisions=300,
            allowed=300,
            failed=3,
            unsafe=0,
            from_us=0,
            until_us=1,
            by="ada",
        )
        for work in story.works
        if work.candidate is not None
    ]


def lived(
    story: Story,
    days: float,
    *,
    seed: int = 7,
    faults: Faults = NONE,
    journal: Journal | None = None,
    plan: dict[str, Any] | None = None,
) -> tuple[World, Journal]:
    """Live some days with the real engine, and return the world and the journal."""
    journal = journal or MemoryJournal()
    world = World(story, seed, faults=faults)
    engine = Engine(
        policy_of(story, **(SHORT_SHADOW if plan is None else plan)), journal, crashes=faults.crashes
    )
    world.run(engine, story.start_us + int(days * DAY_US), replayed(story))
    return world, journal


def facts_in(journal: Journal, *kinds: type[Fact]) -> list[Any]:
    """The facts of some kinds, in order."""
    facts = (fact_of(record) for record in journal.read())
    return [fact for fact in facts if isinstance(fact, kinds)]


class Canary(Nobody):
    """Lets candidates act in a share of episodes, the incumbent in the others, and keeps what it is told.

    A stand-in where a test looks at the world and not at the engine.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.told: list[Fact] = []

    def tell(self, fact: Fact) -> tuple[Fact, ...]:
        self.told.append(fact)
        if not isinstance(fact, ProposalReceived):
            return ()
        asked = fact.proposal
        chosen = in_canary("all@1", asked.episode, self.share)
        shadowed = chosen if asked.agent == "incumbent" else not chosen
        return (VerdictReached(at_us=fact.at_us, verdict=verdict(shadowed=shadowed)),)

    def kinds(self, *kinds: type[Fact]) -> list[Any]:
        return [fact for fact in self.told if isinstance(fact, kinds)]


def watched(
    story: Story, days: float, *, share: float = 1.0, seed: int = 7, faults: Faults = NONE, **stages: Any
) -> tuple[World, Canary]:
    """Live some days into a sink that lets candidates act, each at a stage that is given by agent."""
    world, sink = World(story, seed, faults=faults), Canary(share)
    for work in story.works:
        if work.candidate is not None:
            world.books.stages[work.candidate.capability] = stages.get("stage", "canary_50")
    world.run(sink, story.start_us + int(days * DAY_US))
    return world, sink


def near(found: float, expected: float, episodes: int, rate: float, sigmas: float = 4.0) -> bool:
    """Whether a count is within so many standard deviations of a binomial one.

    >>> near(120, 100, 1000, 0.1), near(150, 100, 1000, 0.1)
    (True, False)
    """
    spread = (episodes * rate * (1 - rate)) ** 0.5
    return abs(found - expected) <= sigmas * spread


def proposals(told: Iterable[Fact]) -> list[Any]:
    return [fact.proposal for fact in told if isinstance(fact, ProposalReceived)]
