"""The breaker does in any order of events what a much simpler machine does."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.gates import breaker
from engine.core.gates.breaker import Breakers
from engine.core.vocabulary.facts import BreakerSettings, OutcomeReported
from tests.builders import verdict


class Reference:
    """What the docstrings promise, said with nothing but lists and comparisons."""

    def __init__(self, given):
        self.given = given
        self.row, self.opened_at, self.trials, self.last_trial, self.good = [], None, 0, 0, 0

    def stage(self, now):
        if self.opened_at is None:
            return "closed"
        return "open" if now - self.opened_at < self.given.open_us else "half open"

    def under_way(self, now):
        return 0 if now - self.last_trial > self.given.open_us else self.trials

    def allows(self, now):
        stage = self.stage(now)
        return stage == "closed" or (stage == "half open" and self.under_way(now) < self.given.trials)

    def tried(self, now):
        if self.stage(now) == "half open":
            self.trials, self.last_trial = self.under_way(now) + 1, now

    def outcome(self, now, *, ok):
        stage = self.stage(now)
        if stage == "closed" and ok:
            self.row = []
        elif stage == "closed":
            self.row.append(now)
            if sum(at > now - self.given.window_us for at in self.row) >= self.given.failures_to_open:
                self.__init__(self.given)
                self.opened_at = now
        elif stage == "half open" and not ok:
            self.__init__(self.given)
            self.opened_at = now
        elif stage == "half open":
            self.trials = max(0, self.trials - 1)
            self.good += 1
            if self.good >= self.given.successes_to_close:
                self.__init__(self.given)


class BreakerMachine(RuleBasedStateMachine):
    """Runs the gate and the reference side by side."""

    @initialize(
        failures=st.integers(1, 3),
        window=st.sampled_from([5, 50]),
        rest=st.sampled_from([1, 10]),
        trials=st.integers(1, 2),
        successes=st.integers(1, 3),
    )
    def begin(self, failures, window, rest, trials, successes):
        given = BreakerSettings(
            failures_to_open=failures,
            window_us=window,
            open_us=rest,
            trials=trials,
            successes_to_close=successes,
        )
        self.now, self.model, self.breakers = 100, Reference(given), Breakers(settings=given)

    @rule(gap=st.sampled_from([1, 2, 5, 9, 10, 11, 50]))
    def time_passes(self, gap):
        self.now += gap

    @rule(ok=st.booleans())
    def an_outcome_comes(self, ok):
        self.model.outcome(self.now, ok=ok)
        fact = OutcomeReported(
            at_us=self.now,
            proposal_id="p",
            agent="a",
            capability="heal@1",
            action="cache.clear",
            ok=ok,
            by="executor",
        )
        breaker.fold_outcome(self.breakers, fact)

    @rule()
    def failures_in_a_row_come(self):
        for _ in range(self.model.given.failures_to_open):
            self.an_outcome_comes(ok=False)

    @precondition(lambda self: self.model.allows(self.now))
    @rule()
    def an_allowed_action_starts(self):
        self.model.tried(self.now)
        breaker.fold_verdict(self.breakers, verdict("allow", self.now))

    @rule(word=st.sampled_from(["hold", "deny"]))
    def something_is_not_allowed(self, word):
        breaker.fold_verdict(self.breakers, verdict(word, self.now))

    @rule()
    def another_breaker_is_used(self):
        breaker.fold_verdict(self.breakers, verdict("allow", self.now, action="service.restart"))
        breaker.fold_verdict(self.breakers, verdict("allow", self.now, capability="deploy@1"))

    @invariant()
    def both_answer_the_same(self):
        said = breaker.judge(self.breakers, "heal@1", "cache.clear", self.now)
        assert (said.ruling == "allow") == self.model.allows(self.now)
        if said.checks and said.checks[0].measure == "trials_under_way":
            assert said.checks[0].measured == self.model.under_way(self.now) <= self.model.given.trials
        assert bool(said.reason) == (said.ruling == "deny")
        assert (said.rule, said.owner) == ("limits.breaker", "captain")


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(stateful_step_count=30)
