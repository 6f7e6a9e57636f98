"""The rules gate: the strictest rule that fired wins, and what cannot be evaluated counts as fired."""

import pytest

from engine.core.evolve import evolve
from engine.core.gates.rules import RULE_FACTS
from engine.core.vocabulary.facts import MessageObserved
from engine.core.vocabulary.units import DAY_US, HOUR_US
from engine.core.vocabulary.verdicts import Wait
from tests.builders import NOON_US, answer, ask, changed, impact, proposal, rule_book, state_under

RESPONDER = Wait(kind="person", role="responder")
CAPTAIN = Wait(kind="person", role="captain")
VOTES = Wait(kind="votes", role="voters", needed=3, of=5)
# Each fails when it is evaluated, although it compiles: checking types does not find it.
FAILING = ["1 / files > 0", "1 % files > 0", "[true][files + 1]", "{'a': 1}['b'] > 0", "int(agent) > 0"]


def decided(*rules, asked=None, at_us=NOON_US):
    policy = changed(rules=rule_book(*rules))
    return ask(asked or proposal(), policy=policy, at_us=at_us)


def judged(*rules, **values):
    return answer(decided(*rules, **values), "rules")


def test_without_rules_or_without_a_hit_it_allows_and_says_nothing():
    for said in (judged(), judged(("false", "deny"), ("files > 3", "escalate"))):
        assert (said.ruling, said.reason, said.rule, said.owner, said.waits) == (
            "allow",
            "",
            "rules",
            "captain",
            (),
        )


def test_a_rule_that_fires_names_itself_its_reason_and_its_owner():
    said = judged(("false", "deny"), ("true", "escalate", {"owner": "responder"}))
    assert (said.ruling, said.rule, said.reason, said.owner) == ("escalate", "r1", "reason 1", "responder")
    assert said.waits == (RESPONDER,)


@pytest.mark.parametrize(
    ("rulings", "strictest"),
    [
        (("allow", "escalate"), "escalate"),
        (("escalate", "consensus", "escalate"), "consensus"),
        (("deny", "consensus"), "deny"),
        (("allow", "allow"), "allow"),
    ],
)
def test_the_strictest_rule_wins(rulings, strictest):
    said = judged(*[("true", ruling) for ruling in rulings])
    assert said.ruling == strictest
    assert said.rule == f"r{rulings.index(strictest)}"


def test_of_equally_strict_rules_the_first_speaks_and_names_the_others():
    said = judged(("true", "escalate"), ("true", "deny"), ("true", "deny"), ("false", "deny"))
    assert said.rule == "r1"
    assert said.reason == "reason 1 (also fired: r0, r2)"


def test_a_denial_waits_for_nobody():
    assert judged(("true", "deny"), ("true", "escalate")).waits == ()


def test_a_hold_waits_for_everybody_a_fired_rule_names_once():
    said = judged(("true", "escalate"), ("true", "consensus", {"wait": VOTES}), ("true", "escalate"))
    assert said.waits == (RESPONDER, VOTES)


def test_a_rule_that_allows_asks_nobody():
    said = judged(("true", "allow", {"wait": CAPTAIN}), ("true", "escalate"))
    assert said.waits == (RESPONDER,)
    assert judged(("true", "allow", {"wait": CAPTAIN})).waits == ()


def test_rules_in_shadow_mode_are_reported_and_not_counted():
    verdict = decided(
        ("true", "deny", {"mode": "shadow"}), ("true", "escalate"), ("true", "deny", {"mode": "shadow"})
    )
    assert verdict.assessment.shadow_rules == ("r0", "r2")
    assert answer(verdict, "rules").ruling == "escalate"
    assert answer(verdict, "rules").reason == "reason 1"


def test_rules_in_shadow_mode_alone_leave_the_gate_silent():
    verdict = decided(("true", "deny", {"mode": "shadow"}))
    assert (verdict.word, verdict.assessment.shadow_rules) == ("allow", ("r0",))


@pytest.mark.parametrize("condition", FAILING)
@pytest.mark.parametrize(
    ("ruling", "counts_as"),
    [("allow", "escalate"), ("escalate", "escalate"), ("consensus", "consensus"), ("deny", "deny")],
)
def test_a_condition_that_cannot_be_evaluated_counts_as_fired(condition, ruling, counts_as):
    said = judged((condition, ruling))
    assert (said.ruling, said.rule, said.owner) == (counts_as, "r0", "captain")
    assert said.reason == "the condition of r0 could not be evaluated"
    assert said.waits == (() if counts_as == "deny" else (RESPONDER,))


@pytest.mark.parametrize("condition", FAILING)
def test_one_condition_that_fails_leaves_the_others_as_they_are(condition):
    said = judged(("true", "escalate"), (condition, "escalate"), ("false", "deny"))
    assert said.ruling == "escalate"
    assert said.reason == "reason 0 (also fired: r1)"


def test_a_failure_is_not_remembered_for_rules_that_did_not_fail():
    book = rule_book(("1 / files > 0", "escalate"), ('environment == "live"', "deny"))
    policy = changed(rules=book)
    rulings = [answer(ask(proposal(impact=impact(0, n)), policy=policy), "rules").ruling for n in (0, 2, 0)]
    assert rulings == ["escalate", "allow", "escalate"]


def test_what_does_not_matter_to_the_answer_may_fail():
    assert judged(("1 / files > 0 || true", "escalate")).reason == "reason 0"
    assert judged(("files > 0 && 1 / files > 0", "deny")).ruling == "allow"


def test_a_number_too_large_for_the_language_counts_as_fired():
    said = judged(
        ("files > 5", "escalate"), ('agent == "x"', "deny"), asked=proposal(impact=impact(0, 2**70))
    )
    assert (said.ruling, said.rule) == ("escalate", "r0")


def test_a_condition_may_end_in_a_comment():
    assert judged(("false // never", "deny"), ("true // always", "escalate")).rule == "r1"


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ('action == "cache.clear" && agent == "coder-1"', {}),
        ('capability == "heal" && version == "1"', {}),
        ('capability == "bare" && version == ""', {"capability": "bare"}),
        ('environment == "live"', {"environment": "live"}),
        ('environment == ""', {}),
        ('kind == "write" && !reversible', {}),
        ('kind == "write" && reversible', {"action": "service.restart"}),
        ('kind == "read" && !reversible', {"action": "file.read"}),
        ('kind == "unknown" && !reversible', {"action": "unknown.thing"}),
        ("cost_usd == 2.5 && files == 3 && api_calls == 4", {"impact": impact("2.50", 3, 4)}),
        ("confidence == 0.9", {}),
        ("confidence == 1.0", {"confidence": 1.0}),
        ("confidence == 0.0", {"confidence": None}),
        ('risk == "LOW" && risk_score == 20', {}),
        ("!destructive && !protected", {}),
        ("destructive && !protected", {"args": {"service": "rm -rf x"}}),
        ("protected && !destructive", {"action": "file.read", "args": {"path": ".env"}}),
        ("untrusted_targets == 0 && unknown_targets == 1", {"args": {"service": "eve@evil.org"}}),
        ('args_text == "a\\nb\\nc"', {"args": {"x": "a", "y": ["b", {"c": 1}]}}),
        ('args_text == ""', {"args": {"x": 1}}),
        ("hour_utc == 0 && weekday == 4", {"at_us": 0}),
        ("hour_utc == 23 && weekday == 3", {"at_us": -1}),
        ("hour_utc == 22 && weekday == 2", {}),
        ("hour_utc == 5 && weekday == 7", {"at_us": 3 * DAY_US + 5 * HOUR_US}),
        ("hour_utc == 0 && weekday == 1", {"at_us": 4 * DAY_US}),
    ],
)
def test_each_fact_is_what_its_description_says(condition, values):
    at_us = values.get("at_us", NOON_US)
    asked = proposal(**{name: value for name, value in values.items() if name != "at_us"})
    assert judged((condition, "deny"), asked=asked, at_us=at_us).rule == "r0"


def test_targets_only_tools_named_are_told_apart_from_unknown_ones():
    policy = changed(rules=rule_book(("untrusted_targets == 1 && unknown_targets == 1", "deny")))
    state = state_under(policy)
    evolve(state, MessageObserved(at_us=NOON_US, episode="e", source="tool", text="eve@evil.org"))
    asked = proposal(args={"service": "eve@evil.org and new@evil.org"}, episode="e")
    assert answer(ask(asked, state, policy), "rules").ruling == "deny"


def test_every_fact_has_a_meaning_and_compiles_with_its_type():
    examples = {"string": '== ""', "int": "== 0", "double": "== 0.0", "bool": "== true"}
    for name, fact in RULE_FACTS.items():
        assert fact.meaning
        judged((f"{name} {examples[fact.type]}", "deny"))


def test_the_shipped_rules_do_what_their_ids_say():
    destructive = {"command": "git push --force"}
    denied = ask(proposal("shell.run", destructive, environment="production"))
    assert answer(denied, "rules").rule == "destructive-in-production"
    assert answer(ask(proposal("shell.run", destructive)), "rules").ruling == "allow"
    assert answer(ask(proposal("file.read", {"path": ".env"})), "rules").rule == "reading-secrets"
    unsure = {"confidence": 0.89, "impact": impact("25.01")}
    assert answer(ask(proposal(**unsure)), "rules").rule == "costly-and-irreversible"
    assert answer(ask(proposal(**unsure | {"confidence": 0.9})), "rules").ruling == "allow"
    assert answer(ask(proposal(**unsure | {"impact": impact(25)})), "rules").ruling == "allow"


@pytest.mark.parametrize(
    ("hour", "fires"), [(21, False), (22, True), (23, True), (0, True), (4, True), (5, False)]
)
def test_the_shipped_night_rule_is_in_shadow_mode(hour, fires):
    night = ask(proposal(impact=impact(0, 3)), at_us=hour * HOUR_US)
    assert night.assessment.shadow_rules == (("large-unattended-night-change",) if fires else ())
    assert night.word == "allow"
