"""Hands: who deals with an incident, how it ends, and what is told of it."""

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any, Literal

import simpy
from msgspec import Struct

from engine.core.vocabulary.facts import EpisodeClosed, Fact, MetricObserved, ProposalReceived, VerdictReached
from engine.core.vocabulary.ids import PersonId, ProposalId
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.rollouts import Stage
from engine.core.vocabulary.units import MINUTE_US
from simulator.world import acting
from simulator.world.books import Actor, Books, Truth
from simulator.world.chance import stream, waited
from simulator.world.faults import Faults
from simulator.world.incidents import Incident
from simulator.world.people import answer
from simulator.world.stories import AGENT_COST_CENTS, PERSON_MINUTE_CENTS, REPAIR_US, Candidate, Story, Work

Tell = Callable[[Fact], tuple[Fact, ...]]
"""Tells the engine a fact and returns what follows."""
Again = Callable[[Candidate], None]
"""Makes another incident for a candidate's partner."""
_Fault = Literal["lost", "late", "duplicated", "wrong", "mislabelled", "swapped"]


class Dealing(Struct, kw_only=True):
    """One incident in somebody's hands."""

    work: Work
    incident: Incident
    stage: Stage
    """The candidate's when it began."""
    mine: Proposal | None
    """The candidate's; `None` where it proposed nothing."""
    theirs: Proposal | None
    """That of the version that does the work now."""
    actor: Actor
    person: PersonId = PersonId("")
    wait_us: int = 0
    probability: float = 0.0
    candidate_failed: bool | None = None
    incumbent_failed: bool = False
    failed: bool = False
    covered: bool = False
    """Whether the partner says that it went well although it did not."""


class Hands:
    """Everybody who deals with incidents."""

    def __init__(
        self,
        env: simpy.Environment,
        story: Story,
        seed: int,
        *,
        faults: Faults,
        books: Books,
        tell: Tell,
        again: Again,
    ) -> None:
        """Act in this environment, write the truth into these books, and tell what the faults leave of it."""
        self._env, self._story, self._faults, self._books = env, story, faults, books
        self._tell, self._again = tell, again
        self._fates = {
            name: stream(seed, "faults", name).random for name in ("lost", "late", "duplicated", "wrong")
        } | {name: stream(seed, "faults", name).random for name in ("mislabelled", "swapped")}
        self._hurt: list[tuple[int, str]] = []

    def deal(self, work: Work, incident: Incident) -> Generator[simpy.Event, Any, None]:
        """Deal with one incident, from the proposals to the books: a process of SimPy."""
        dealing = self._begin(work, incident)
        self._draw_end(dealing)
        yield self._env.timeout(dealing.wait_us)
        if dealing.failed:
            self._hurt.append((self._now + REPAIR_US, incident.service.name))
        candidate = work.candidate if dealing.actor == "candidate" else None
        if candidate is not None and incident.triggered < candidate.character.triggers:
            self._again(candidate)
        told = self._report(dealing)
        if work.checked:
            series = f"{work.name}/still_down"
            self._tell(MetricObserved(at_us=self._now, series=series, value=float(dealing.failed)))
        self._tell(EpisodeClosed(at_us=self._now, episode=incident.episode))
        self._books.truths.append(self._truth(dealing, told=told))

    def hurt(self) -> Counter[str]:
        """Count, for each service, the incidents that ended badly and are still being repaired."""
        self._hurt = [each for each in self._hurt if each[0] > self._now]
        return Counter(name for _, name in self._hurt)

    @property
    def _now(self) -> int:
        return int(self._env.now)

    # ---------------------------------------------------------------- who acts

    def _begin(self, work: Work, incident: Incident) -> Dealing:
        candidate, mine, theirs = work.candidate, None, None
        stage: Stage = "unproven"
        acts = routine = False
        if candidate is not None:
            stage = self._books.stages.get(candidate.capability, "unproven")
            if stage != "rolled_back":
                mine = acting.wish(work, candidate, incident)
                acts = self._executed(mine) is True
        if work.incumbent and stage != "live":
            theirs = acting.routine(work, incident)
            # In a recording nobody decides: what did the work then went on doing it.
            routine = self._executed(theirs) is not False
        if mine is not None and self._struck("swapped"):
            acts, routine = not acts, acts
        actor: Actor = "candidate" if acts else "incumbent" if theirs is not None and routine else "people"
        return Dealing(work=work, incident=incident, stage=stage, mine=mine, theirs=theirs, actor=actor)

    def _executed(self, proposal: Proposal) -> bool | None:
        """Propose, and say whether it is to be done; `None` where nobody decides."""
        self._books.proposals += 1
        for fact in self._tell(ProposalReceived(at_us=self._now, proposal=proposal)):
            if isinstance(fact, VerdictReached):
                return fact.verdict.word == "allow" and not fact.verdict.shadowed
        return None

    # ---------------------------------------------------------------- how it ends

    def _draw_end(self, dealing: Dealing) -> None:
        work, incident, story = dealing.work, dealing.incident, self._story
        usual = min(1.0, work.base * incident.hardness)
        dealing.incumbent_failed = incident.ending < usual
        candidate = work.candidate
        if candidate is not None:
            mine = candidate.character.failing(usual, dealing.stage, self._now - story.start_us)
            dealing.candidate_failed = incident.ending < mine
            if dealing.actor == "candidate":
                dealing.wait_us = waited(story.acts_us, incident.candidate_speed)
                dealing.probability, dealing.failed = mine, dealing.candidate_failed
                dealing.covered = bool(candidate.partner) and incident.covered < candidate.character.covered
                return
        dealing.probability, dealing.failed = usual, dealing.incumbent_failed
        if dealing.actor == "incumbent":
            dealing.wait_us = waited(story.acts_us, incident.incumbent_speed)
            return
        person, wait_us = answer(story.people, self._now, incident.people_speed, incident.woken)
        dealing.person, dealing.wait_us = person.name, wait_us
        if wait_us > story.patience_us:
            dealing.probability, dealing.failed = 1.0, True

    def _truth(self, dealing: Dealing, *, told: bool | None) -> Truth:
        incident, actor = dealing.incident, dealing.actor
        acted = {"candidate": dealing.mine, "incumbent": dealing.theirs, "people": None}[actor]
        outage_us = self._now - incident.at_us + (REPAIR_US if dealing.failed else 0)
        cost_cents = outage_us * incident.service.minute_cents // MINUTE_US
        if actor == "people":
            answers_us = next(each.answers_us for each in self._story.people if each.name == dealing.person)
            cost_cents += answers_us * PERSON_MINUTE_CENTS // MINUTE_US
        else:
            cost_cents += AGENT_COST_CENTS
        return Truth(
            episode=incident.episode,
            work=dealing.work.name,
            service=incident.service.name,
            at_us=incident.at_us,
            ended_us=self._now,
            actor=actor,
            stage=dealing.stage,
            proposal_id=ProposalId("") if acted is None else acted.proposal_id,
            probability=dealing.probability,
            failed=dealing.failed,
            told=told,
            candidate_failed=dealing.candidate_failed,
            incumbent_failed=dealing.incumbent_failed,
            cost_cents=cost_cents,
        )

    # ---------------------------------------------------------------- what is told

    def _report(self, dealing: Dealing) -> bool | None:
        """Tell what came of it, as the faults leave it. Returns what was told; `None` when nothing was."""
        ok = not dealing.failed or dealing.covered
        touched = self._faults.on in {"both", "candidate" if dealing.actor == "candidate" else "others"}
        if touched and self._struck("wrong"):
            ok = not ok
        facts = self._outcomes(dealing, ok=ok)
        if touched and self._struck("lost"):
            return None
        if touched and self._struck("duplicated"):
            facts += facts
        if touched and self._struck("late"):
            self._env.process(self._later(facts))
        else:
            for fact in facts:
                self._tell(fact)
        return ok

    def _later(self, facts: list[Fact]) -> Generator[simpy.Event, Any, None]:
        yield self._env.timeout(self._faults.late_us)
        for fact in facts:
            self._tell(acting.again_at(fact, self._now))

    def _outcomes(self, dealing: Dealing, *, ok: bool) -> list[Fact]:
        work, mine, theirs, now_us = dealing.work, dealing.mine, dealing.theirs, self._now
        other = mine is not None and self._struck("mislabelled")
        if dealing.actor == "candidate" and mine is not None:
            vouched = f"{work.candidate.partner} says so" if dealing.covered and work.candidate else ""
            return [acting.outcome(now_us, mine, ok=ok, executed=not other, detail=vouched)]
        if other and mine is not None:
            return [acting.outcome(now_us, mine, ok=ok, executed=True)]
        told: list[Fact] = []
        if dealing.actor == "incumbent" and theirs is not None:
            told.append(acting.outcome(now_us, theirs, ok=ok, executed=True))
        else:
            told.append(acting.deed(now_us, work, dealing.incident, dealing.person, ok=ok))
        if mine is not None and mine.action == work.action:
            told.append(acting.outcome(now_us, mine, ok=ok, executed=False))
        return told

    def _struck(self, name: _Fault) -> bool:
        share: float = getattr(self._faults, name)
        return share > 0 and self._fates[name]() < share
