"""A course: one capability on its way through a real loop, an episode at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.adapters.journal_memory import MemoryJournal
from engine.core.policy import Policy
from engine.core.state import decode_state, encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.rollouts import RolloutPlan, RolloutSettings, Stage
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from engine.core.vocabulary.verdicts import Verdict
from engine.core.work.rollout.candidates import Candidate
from engine.ports import Entry
from engine.runtime.loop import Loop, fact_of
from tests.builders import NOON_US, changed, proposal

NEW, OLD, NAME = "heal@2", "heal@1", "heal"
QUICK = RolloutPlan(
    horizon_us=10 * MINUTE_US,
    replay_decisions=10,
    shadow_us=2 * DAY_US,
    shadow_episodes=10,
    canary_episodes=2,
    failure_share=0.6,
)
"""As shipped, but impatient."""


class Stretch(NamedTuple):
    """Where a stretch of the way led to, under a policy: what was journalled, and the state that it left."""

    policy: Policy
    records: list[Record]
    state: bytes
    now_us: int
    serial: int


def gone_once(going: Callable[..., None]) -> Callable[..., None]:
    """Go a stretch of hundreds of episodes only once from each place under each policy.

    The journal's last hash says all that ever happened to a course, so whoever stands at the same place
    comes to the same end: it is given that, with the state read back from its bytes.
    """
    gone: dict[tuple[object, ...], list[Stretch]] = {}

    @functools.wraps(going)
    def go(course: Course, *words: str) -> None:
        begun, policy = course.journal.head(), course.loop._policy
        place = (type(course), begun, course.now_us, course.serial, words)
        led = next((each for each in gone.get(place, ()) if each.policy == policy), None)
        if led is not None:
            course.journal.append([Entry(record.key, record.body) for record in led.records])
            course.loop.state = decode_state(led.state)
            course.now_us, course.serial = led.now_us, led.serial
            return
        going(course, *words)
        records = list(course.journal.read(after=begun.seq))
        state = encode_state(course.loop.state)
        led = Stretch(policy, records, state, course.now_us, course.serial)
        gone.setdefault(place, []).append(led)

    return go


class Course:
    """`heal@2` beside the live `heal@1`, under a plan."""

    def __init__(self, plan: RolloutPlan = QUICK, *, calibrated: bool = True, **settings: Any) -> None:
        given = {"plan": plan, "established": (OLD,)} | settings
        self.policy = changed(limits=(), rollouts=RolloutSettings(**given))
        if not calibrated:
            self.policy = changed(self.policy, calibration=None)
        self.journal = MemoryJournal()
        self.now_us, self.serial = NOON_US // DAY_US * DAY_US, 0
        self.reopen()
        self.loop.adopt(self.now_us)

    def reopen(self) -> None:
        """Begin anew from the journal alone, as after a crash."""
        self.loop = Loop(self.policy, self.journal)

    # ------------------------------------------------------------ what is

    @property
    def candidate(self) -> Candidate:
        return self.loop.state.rollouts.candidates[NAME]

    @property
    def stage(self) -> Stage:
        candidate = self.loop.state.rollouts.candidates.get(NAME)
        return candidate.stage if candidate is not None else "unproven"

    @property
    def live(self) -> str | None:
        return self.loop.state.rollouts.live.get(NAME)

    def facts(self, *kinds: type[f.Fact]) -> list[Any]:
        """What the journal holds of these kinds."""
        return [fact for record in self.journal.read() if isinstance(fact := fact_of(record), kinds)]

    # ------------------------------------------------------------ what happens

    def tell(self, fact: f.Fact, key: str = "") -> tuple[f.Fact, ...]:
        """Have the loop take a fact; return what followed."""
        self.serial += 1
        (decided,) = self.loop.feed([(key or f"told:{self.serial}", fact)])
        return decided.facts

    def later(self, us: int) -> tuple[f.Fact, ...]:
        """Let time pass, and say so."""
        self.now_us += us
        return self.tell(f.TimePassed(at_us=self.now_us, schedule="minute"))

    def propose(self, episode: str, capability: str = NEW, **values: Any) -> Verdict:
        self.serial += 1
        asked = proposal(proposal_id=f"p-{self.serial}", capability=capability, episode=episode, **values)
        (reached,) = self.tell(f.ProposalReceived(at_us=self.now_us, proposal=asked))
        return reached.verdict

    def outcome(self, verdict: Verdict, *, ok: bool, by: str | None = None) -> tuple[f.Fact, ...]:
        """Report what came of a decision: by whoever acted, unless told otherwise."""
        acted = "executor" if verdict.word == "allow" and not verdict.shadowed else "incumbent"
        return self.tell(
            f.OutcomeReported(
                at_us=self.now_us,
                proposal_id=verdict.proposal_id,
                agent=verdict.agent,
                capability=verdict.capability,
                action=verdict.action,
                ok=ok,
                by=by or acted,
            )
        )

    def incumbent(self, episode: str, *, ok: bool = True, **args: Any) -> tuple[f.Fact, ...]:
        return self.tell(
            f.IncumbentActed(
                at_us=self.now_us,
                episode=episode,
                capability=NAME,
                action="cache.clear",
                args=args or {"service": "web"},
                ok=ok,
                by="ann",
            )
        )

    def episode(
        self, name: str, *, fails: dict[str, bool] | bool = False, minutes: float = 12, **theirs: Any
    ) -> None:
        """Both versions want the same in an episode; whoever has it acts, and says how it went."""
        mine = self.propose(name)
        old = self.propose(name, OLD, **theirs)
        for verdict in (mine, old):
            if not verdict.shadowed:
                arm = "canary" if verdict is mine else "control"
                self.outcome(verdict, ok=not (fails[arm] if isinstance(fails, dict) else fails))
        self.later(round(minutes * MINUTE_US))

    def ended(self, verdict: Verdict, status: str = "done") -> tuple[f.Fact, ...]:
        """Report the end of an effect, as a worker would."""
        return self.tell(
            f.EffectEnded(
                at_us=self.now_us,
                effect_id=verdict.decision_id,
                decision_id=verdict.decision_id,
                kind="perform",
                proposal_id=verdict.proposal_id,
                agent=verdict.agent,
                capability=verdict.capability,
                action=verdict.action,
                token=1,
                status=status,
                result=Result(success=status == "done", execution_time_s=0.1),
            )
        )

    def replay(self, capability: str = NEW, **values: Any) -> tuple[f.Fact, ...]:
        given = {
            "recording": "aa",
            "journal_hash": "bb",
            "policy_hash": "cc",
            "decisions": 50,
            "allowed": 50,
            "failed": 0,
            "unsafe": 0,
            "from_us": 0,
            "until_us": self.now_us,
            "by": "ann",
        }
        return self.tell(f.CapabilityReplayed(at_us=self.now_us, capability=capability, **given | values))

    def ask(self, capability: str = NEW) -> tuple[f.Fact, ...]:
        """Have a captain ask for the next step."""
        return self.tell(
            f.PromotionAsked(at_us=self.now_us, capability=capability, by="ann", reason="it is time")
        )

    def abort(self, name: str = NAME) -> tuple[f.Fact, ...]:
        return self.tell(f.RolloutAborted(at_us=self.now_us, capability=name, by="ann", reason="no"))

    def pause(self, reason: str = "freeze") -> None:
        self.tell(f.RolloutPaused(at_us=self.now_us, capability=NAME, reason=reason, by="ann"))

    def resume(self, reason: str = "freeze") -> None:
        self.tell(f.RolloutResumed(at_us=self.now_us, capability=NAME, reason=reason, by="ann"))

    def stop(self, kind: str = "all", name: str = "") -> None:
        self.tell(f.KillSwitchSet(at_us=self.now_us, scope=f.Scope(kind, name), by="ann"))

    def unstop(self, kind: str = "all", name: str = "") -> None:
        self.tell(f.KillSwitchCleared(at_us=self.now_us, scope=f.Scope(kind, name), by="ann"))

    # ------------------------------------------------------------ whole stretches

    @gone_once
    def through_shadow(self) -> None:
        """Replay, and agree with the incumbent for two days and more: all the evidence shadow asks for."""
        self.replay()
        for number in range(90):
            self.episode(f"shadow-{number}", minutes=35)

    def to(self, stage: Stage) -> Course:
        """Earn a stage honestly."""
        if stage == "shadow":
            self.replay()
            return self
        self.through_shadow()
        self.ask()
        for step in ("canary_1", "canary_10", "canary_50"):
            assert self.stage == step, self.stage
            if stage == step:
                return self
            self.earn(step)
            self.ask()
        assert self.stage == stage
        return self

    @gone_once
    def earn(self, step: str) -> None:
        """Fail as often as the incumbent, until the evidence for the next step is there."""
        for number in range(20_000):
            self.episode(f"{step}-{number}", fails=number % 3 == 0, minutes=11)
            if self.facts_ready(step):
                return
        raise AssertionError(f"no evidence to leave {step}: {self.candidate}")

    def facts_ready(self, step: str) -> bool:
        return self.candidate.ready and self.candidate.stage == step


__all__ = ["DAY_US", "HOUR_US", "MINUTE_US", "NAME", "NEW", "OLD", "QUICK", "SECOND_US", "Course"]
