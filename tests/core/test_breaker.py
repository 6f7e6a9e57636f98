"""The circuit breaker gate: closed, open, half open, and closed again."""

import pytest

from engine.core.gates import breaker
from engine.core.gates.breaker import Breakers
from engine.core.vocabulary.facts import BreakerSettings, OutcomeReported
from engine.core.vocabulary.units import SECOND_US
from engine.core.vocabulary.verdicts import Check
from tests.builders import NOON_US, ask, proposal, state_under, verdict

SETTINGS = BreakerSettings(
    failures_to_open=3,
    window_us=100 * SECOND_US,
    open_us=60 * SECOND_US,
    trials=2,
    successes_to_close=2,
)


class Story:
    """A breaker under `SETTINGS`, told in seconds."""

    def __init__(self, settings=SETTINGS):
        self.breakers = Breakers(settings=settings)

    def outcome(self, at_s, *, ok, capability="heal@1", action="cache.clear"):
        fact = OutcomeReported(
            at_us=NOON_US + int(at_s * SECOND_US),
            proposal_id="p",
            agent="a",
            capability=capability,
            action=action,
            ok=ok,
            by="executor",
        )
        breaker.fold_outcome(self.breakers, fact)
        return self

    def fails(self, *times_s):
        for at_s in times_s:
            self.outcome(at_s, ok=False)
        return self

    def works(self, *times_s):
        for at_s in times_s:
            self.outcome(at_s, ok=True)
        return self

    def decided(self, at_s, word="allow", *, shadowed=False):
        breaker.fold_verdict(self.breakers, verdict(word, NOON_US + at_s * SECOND_US, shadowed=shadowed))
        return self

    def says(self, at_s, capability="heal@1", action="cache.clear"):
        return breaker.judge(self.breakers, capability, action, NOON_US + int(at_s * SECOND_US))


def test_at_rest_it_allows_and_has_nothing_to_say():
    assert (Story().says(0).ruling, Story().says(0).checks) == ("allow", ())


def test_without_a_policy_no_breaker_opens():
    story = Story(settings=None).fails(0, 1, 2, 3).decided(4)
    assert story.breakers.by_key == {}
    assert story.says(4).ruling == "allow"


def test_one_failure_short_of_the_limit_it_stays_closed_and_shows_the_count():
    said = Story().fails(0, 1).says(2)
    assert (said.ruling, said.checks) == ("allow", (Check("failures_in_a_row", 2, 3),))


def test_it_opens_at_the_limit_and_says_until_when_it_rests():
    said = Story().fails(0, 1, 2).says(3)
    assert said.ruling == "deny"
    assert said.reason == "heal/cache.clear failed 3 times in a row; it rests until 2023-11-14T22:14:22Z"
    assert (said.rule, said.owner, said.waits) == ("limits.breaker", "captain", ())
    assert said.checks == (Check("state", "open", "closed"),)


def test_a_success_in_between_clears_the_row():
    story = Story().fails(0, 1).works(2).fails(3, 4)
    assert story.says(5).checks == (Check("failures_in_a_row", 2, 3),)


def test_a_success_before_any_failure_is_not_remembered():
    assert Story().works(0, 1).breakers.by_key == {}


def test_failures_count_only_within_the_window():
    assert Story().fails(0, 50, 99.999).says(100).ruling == "deny"
    assert Story().fails(0, 50, 100).says(100).ruling == "allow"
    assert Story().fails(0, 50).says(149).checks == (Check("failures_in_a_row", 1, 3),)


def test_it_rests_exactly_its_time():
    story = Story().fails(0, 0, 0)
    assert story.says(59.999999).ruling == "deny"
    assert story.says(60).ruling == "allow"


def test_late_outcomes_neither_lengthen_the_rest_nor_end_it():
    story = Story().fails(0, 0, 0).fails(30, 40).works(50, 50, 50)
    assert story.says(59).ruling == "deny"
    assert story.says(60).checks == (Check("trials_under_way", 0, 2),)


def test_half_open_it_lets_only_so_many_trials_be_under_way():
    story = Story().fails(0, 0, 0).decided(60)
    assert story.says(61).checks == (Check("trials_under_way", 1, 2),)
    said = story.decided(61).says(62)
    assert said.ruling == "deny"
    assert said.reason == (
        "heal/cache.clear is on trial after failures: the outcome of 2 trial(s) is still unknown"
    )
    assert (said.rule, said.owner) == ("limits.breaker", "captain")
    assert story.works(63).says(64).ruling == "allow"


@pytest.mark.parametrize("word", ["hold", "deny"])
def test_only_an_allowed_action_is_a_trial(word):
    assert Story().fails(0, 0, 0).decided(60, word).decided(60, word).says(61).ruling == "allow"


def test_a_shadowed_action_takes_no_trial_from_a_live_one():
    story = Story().fails(0, 0, 0)
    assert story.decided(60, shadowed=True).decided(60, shadowed=True).says(61).ruling == "allow"


def test_what_is_allowed_while_closed_is_not_a_trial():
    story = Story().fails(0, 0).decided(1).decided(1).fails(2)
    assert story.says(62).checks == (Check("trials_under_way", 0, 2),)


def test_enough_successes_close_it_for_good():
    story = Story().fails(0, 0, 0).decided(60).works(61)
    assert story.says(62).checks[0].measure == "trials_under_way"
    story.decided(62).works(63)
    assert story.breakers.by_key == {}


def test_one_failure_while_half_open_opens_it_again_at_once():
    story = Story().fails(0, 0, 0).decided(60).works(61).fails(62)
    assert story.says(121.9).ruling == "deny"
    assert "until 2023-11-14T22:15:22Z" in story.says(63).reason
    assert story.says(122).ruling == "allow"
    assert story.works(123).says(124).checks[0].measure == "trials_under_way"


def test_a_lost_trial_is_given_up_after_one_rest():
    story = Story().fails(0, 0, 0).decided(60).decided(60)
    assert story.says(120).ruling == "deny"
    assert story.says(120.000001).checks == (Check("trials_under_way", 0, 2),)
    assert story.decided(121).says(122).checks == (Check("trials_under_way", 1, 2),)


def test_breakers_of_other_actions_and_capabilities_are_untouched():
    story = Story().fails(0, 0, 0)
    assert story.says(1, action="service.restart").ruling == "allow"
    assert story.says(1, capability="deploy@1").ruling == "allow"


def test_all_versions_of_a_capability_share_one_breaker():
    story = Story().outcome(0, ok=False, capability="heal@1").outcome(0, ok=False, capability="heal@2")
    assert story.outcome(0, ok=False, capability="heal").says(1, capability="heal@3").ruling == "deny"


def test_an_open_breaker_denies_the_whole_verdict_with_the_shipped_policy():
    failures = [
        OutcomeReported(
            at_us=NOON_US,
            proposal_id=f"p{n}",
            agent="a",
            capability="heal@1",
            action="cache.clear",
            ok=False,
            by="incumbent",
        )
        for n in range(5)
    ]
    assert ask(proposal(), state_under(None, *failures[:4])).word == "allow"
    assert ask(proposal(), state_under(None, *failures)).word == "deny"


def test_only_those_that_are_not_closed_are_shown():
    story = Story().fails(0, 1, 2)
    for at_s in (0, 1, 2):
        story.outcome(at_s, ok=False, capability="a/b@2", action="c")
    story.outcome(2, ok=False, action="cache.warm")

    def shown(at_s):
        found = breaker.not_closed(story.breakers, NOON_US + at_s * SECOND_US)
        return [(one.capability, one.action, one.state, one.until_us) for one in found]

    rested_us = NOON_US + 62 * SECOND_US
    assert shown(10) == [("a/b", "c", "open", rested_us), ("heal", "cache.clear", "open", rested_us)]
    assert shown(70) == [("a/b", "c", "half_open", None), ("heal", "cache.clear", "half_open", None)]
    assert breaker.not_closed(Breakers(), NOON_US) == ()
