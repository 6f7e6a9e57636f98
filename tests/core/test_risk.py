"""The risk gate: a level, a score, and the parts that sum to it."""

from decimal import Decimal

import msgspec
import pytest

from engine.adapters.patterns import Re2Patterns
from engine.core.gates import risk
from engine.core.vocabulary.actions import RISK_LEVELS, Action, BlastCaps, Parameter, RiskLevel
from engine.core.vocabulary.verdicts import Check, Risk, Wait
from tests.builders import answer, ask, changed, impact, proposal, shipped
from tests.risk_examples import DESTRUCTIVE, PATHS_FREE, PATHS_PROTECTED

SETTINGS = shipped().risk
LEVELS = {
    RiskLevel(k): v
    for k, v in {"SAFE": 0, "LOW": 10, "MEDIUM": 30, "HIGH": 55, "CRITICAL": 75, "DESTRUCTIVE": 95}.items()
}


def found(asked, policy=None):
    return ask(asked, policy=policy).assessment.risk


def parts(asked, policy=None):
    return {part.name: part.points for part in found(asked, policy).parts}


def of_score(score):
    level = next(level for level in reversed(LEVELS) if score >= LEVELS[level])
    return Risk(level=level, score=score, parts=())


def rescored(**values):
    return changed(risk=msgspec.structs.replace(SETTINGS, **values))


@pytest.mark.parametrize(("level", "begins"), LEVELS.items())
def test_each_level_begins_exactly_at_its_score(level, begins):
    def level_of(score):
        return found(proposal("unknown.thing", {}), rescored(unknown_points=score)).level

    assert level_of(begins) == level
    if begins:
        assert level_of(begins - 1) == RISK_LEVELS[RISK_LEVELS.index(level) - 1]


def test_the_example_of_the_docstring_scores_what_it_says():
    policy = rescored(irreversible_points=10)
    asked = proposal(
        "database.query", {"database": "d", "sql": "select 1"}, environment="production", impact=impact(0, 5)
    )
    scored = found(asked, policy)
    assert {p.name: p.points for p in scored.parts} == {
        "declared": 35,
        "irreversible": 10,
        "production": 10,
        "impact": 10,
    }
    assert (scored.score, scored.level) == (65, "HIGH")


def test_a_harmless_read_has_no_parts_at_all():
    scored = found(proposal("file.read", {"path": "src/a.py"}))
    assert (scored.level, scored.score, scored.parts) == ("SAFE", 0, ())


def test_an_unknown_action_is_critical_and_counts_as_a_write():
    asked = proposal("unknown.thing", {}, environment="prod", impact=impact(50))
    assert parts(asked) == {"unknown": 75, "production": 10, "impact": 10}


def test_production_counts_for_writes_only():
    assert "production" in parts(proposal(environment="live"))
    assert "production" not in parts(proposal(environment="staging"))
    assert parts(proposal("file.read", {"path": "a"}, environment="production", impact=impact(50))) == {}


def test_what_names_an_undo_is_not_irreversible():
    assert "irreversible" in parts(proposal())
    assert "irreversible" not in parts(proposal("service.restart", {"service": "web"}))


@pytest.mark.parametrize(
    ("touched", "points"),
    [
        (impact(), 0),
        (impact("0.000000000001"), 0),
        (impact(1), 0),
        (impact(5), 1),
        (impact(0, 5), 10),
        (impact(0, 0, 999), 19),
        (impact("99.999999999999"), 19),
        (impact(100), 20),
        (impact(0, 20), 20),
        (impact(10, 9, 100), 18),
    ],
)
def test_the_largest_share_of_the_blast_radius_counts_in_proportion(touched, points):
    assert parts(proposal(impact=touched)).get("impact", 0) == points


def test_an_action_with_caps_of_its_own_is_measured_by_those():
    own = Action(
        name="try",
        kind="write",
        risk=RiskLevel.LOW,
        blast=BlastCaps(cost_usd=Decimal(0), files=2, api_calls=0),
    )
    policy = changed(actions={"try": own})
    assert parts(proposal("try", {}, impact=impact(0, 1)), policy)["impact"] == 10
    assert parts(proposal("try", {}, impact=impact("0.01")), policy)["impact"] == 20
    assert "impact" not in parts(proposal("try", {}), policy)


def test_the_score_stops_at_100():
    scored = found(proposal("shell.run", {"command": "rm -rf / ; drop table x; terraform destroy"}))
    assert sum(part.points for part in scored.parts) > 100
    assert (scored.score, scored.level) == (100, "DESTRUCTIVE")


@pytest.mark.parametrize("score", range(0, 101, 5))
def test_the_ruling_follows_the_level(score):
    said = risk.judge(SETTINGS, of_score(score))
    expected = "deny" if score >= 95 else "escalate" if score >= 55 else "allow"
    assert said.ruling == expected
    assert said.checks == (Check("risk_score", score, 54),)
    assert said.waits == ((Wait(kind="person", role="responder"),) if expected == "escalate" else ())
    if expected != "allow":
        assert (said.rule, said.owner) == (f"risk.rulings.{of_score(score).level}", "captain")


def test_the_reason_names_the_heaviest_part():
    said = answer(ask(proposal("shell.run", {"command": "git push --force"})), "risk")
    assert said.reason == (
        "the risk is CRITICAL (90 of 100), most of all because it rewrites history others have"
    )


@pytest.mark.parametrize("ruling", ["escalate", "deny"])
def test_a_policy_that_refuses_even_safe_actions_is_obeyed(ruling):
    policy = rescored(rulings=dict.fromkeys(RISK_LEVELS, ruling))
    said = answer(ask(proposal("file.read", {"path": "src/a.py"}), policy=policy), "risk")
    assert (said.ruling, said.rule) == (ruling, "risk.rulings.SAFE")
    assert said.reason == "the risk is SAFE (0 of 100)"


@pytest.mark.parametrize("entry", SETTINGS.destructive, ids=lambda entry: entry.id)
def test_every_shipped_pattern_has_examples_on_both_sides(entry):
    matching, missing = DESTRUCTIVE[entry.id]
    for command in matching:
        named = {part.name: part for part in found(proposal("shell.run", {"command": command})).parts}
        assert named[f"destructive.{entry.id}"].points == entry.points, command
        assert named[f"destructive.{entry.id}"].why == entry.why
    for command in missing:
        assert f"destructive.{entry.id}" not in parts(proposal("shell.run", {"command": command})), command


def test_there_are_no_examples_of_patterns_that_are_gone():
    assert DESTRUCTIVE.keys() == {entry.id for entry in SETTINGS.destructive}
    assert PATHS_PROTECTED.keys() == {entry.id for entry in SETTINGS.protected}


def test_destructive_text_is_found_in_any_argument_however_deep():
    deep = {"service": {"a": [1, None, {"b": "x; rm -rf /srv"}]}}
    assert "destructive.rm-recursive" in parts(proposal("cache.clear", deep))
    assert "destructive.rm-recursive" in parts(proposal("cache.clear", {"service": {"rm -rf x": 1}}))


def test_the_order_of_the_arguments_hides_nothing():
    for args in (
        {"sql": "delete from users", "database": "d"},
        {"database": "d", "sql": "delete from users"},
    ):
        assert parts(proposal("database.query", args))["destructive.sql-delete-all"] == 70


def test_one_argument_does_not_complete_the_pattern_of_another():
    assert parts(proposal("ticket.create", {"title": "find", "body": " -delete"})) == {"declared": 15}


@pytest.mark.parametrize(
    ("place", "path"), [(place, path) for place, paths in PATHS_PROTECTED.items() for path in paths]
)
def test_a_protected_path_is_found_despite_detours(place, path):
    points = next(entry.points for entry in SETTINGS.protected if entry.id == place)
    assert parts(proposal("file.write", {"path": path, "content": ""}))[f"protected.{place}"] == points
    assert parts(proposal("file.read", {"path": path}))[f"protected.{place}"] == points // 2
    assert f"protected.{place}" in parts(proposal("file.delete", {"paths": ["src/a", path]}))


@pytest.mark.parametrize("path", PATHS_FREE)
def test_a_path_that_only_looks_protected_is_free(path):
    assert parts(proposal("file.read", {"path": path})) == {}


def test_a_place_touched_by_many_paths_counts_once():
    scored = found(proposal("file.delete", {"paths": [".env", "a/.env", ".env.local"]}))
    assert [part.name for part in scored.parts].count("protected.secrets") == 1


def test_text_that_is_no_path_is_not_searched_for_paths():
    assert "protected.secrets" not in parts(proposal("file.write", {"path": "a.md", "content": ".env"}))


def test_every_text_of_an_unknown_action_may_be_a_path():
    assert parts(proposal("unknown.thing", {"x": [".ssh/id"]})) == {"unknown": 75, "protected.keys": 60}


def test_arguments_of_the_wrong_type_do_not_hide_a_path():
    nested = proposal("file.read", {"path": [{"x": ".env"}]})
    assert "protected.secrets" in parts(nested)


def test_a_policy_without_patterns_finds_nothing():
    bare = rescored(
        destructive=(),
        destructive_text=Re2Patterns([]),
        protected=(),
        protected_paths=Re2Patterns([]),
        shell=None,
    )
    assert parts(proposal("shell.run", {"command": "rm -rf /"}), bare) == {"declared": 35, "irreversible": 5}


def test_paths_are_taken_from_path_parameters_only():
    action = Action(
        name="try",
        kind="read",
        risk=RiskLevel.SAFE,
        parameters={
            "path": Parameter(type="path"),
            "paths": Parameter(type="list", items="path", required=False),
            "text": Parameter(type="string"),
        },
    )
    args = {"path": "a/../b", "text": "c"}
    assert risk.paths_in(action, args, ["a/../b", "c"]) == ["/b/"]
    assert risk.paths_in(action, {"paths": ["c", "./d//e"]}, []) == ["/c/", "/d/e/"]
    assert risk.paths_in(None, args, ["a/../b", "c"]) == ["/b/", "/c/"]


HOSTILE = {
    "one letter": "a" * 1_000_000,
    "rm and flags": "rm " + "-" * 1_000_000,
    "many rm": "rm -x " * 170_000,
    "curl and no pipe": "curl " * 200_000,
    "steps up": "../" * 333_000,
    "slashes": "/" * 1_000_000,
    "backslashes": "\\" * 1_000_000,
    "at signs": "a@" * 500_000,
    "dots": "a@b" + ".b" * 500_000,
    "letters of an account": "GB29" + "A" * 1_000_000,
    "web addresses": "http://" * 140_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("action", ["unknown.thing", "shell.run"])
def test_a_megabyte_of_hostile_text_is_decided(action, text):
    decided = ask(proposal(action, {"command": text}))
    assert [a.gate for a in decided.assessment.answers if a.rule.endswith(".failed")] == []
    assert "unmeasured" not in {part.name for part in decided.assessment.risk.parts}
