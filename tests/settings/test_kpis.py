"""`kpis.yaml`: the shipped set, and what is said about a wrong one."""

import pytest
from ruamel.yaml import YAML

from engine.core.kpis.definitions import Coverage
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US
from engine.errors import PolicyError
from engine.wiring import SHIPPED_CONFIG
from engine.wiring.kpis import read_kpis
from tests.kpis.recount import kpi

GOOD = {"name": "a", "kind": "success", "shows": "this", "window_hours": 24, "at_least": 0.5}


def read(folder, *kpis):
    YAML().dump({"kpis": list(kpis)}, folder / "kpis.yaml")
    return read_kpis(folder)


def test_the_shipped_set_has_every_kind():
    shipped = read_kpis(SHIPPED_CONFIG)
    assert {of.kind for of in shipped} == {
        "success", "agreement", "holds_upheld", "uptime", "cost_per_decision", "value",
    }  # fmt: skip


def test_a_configuration_without_the_file_has_the_shipped_set(tmp_path):
    assert read_kpis(tmp_path) == read_kpis(SHIPPED_CONFIG)


def test_what_is_not_said_is_as_documented(tmp_path):
    (found,) = read(tmp_path, GOOD)
    assert (found.arm, found.scope, found.least, found.window_us) == ("autonomy", Coverage(), 1, DAY_US)


@pytest.mark.parametrize(
    ("hours", "step", "steps"),
    [(1, MINUTE_US, 60), (6, MINUTE_US, 360), (7, HOUR_US, 7), (336, HOUR_US, 336), (360, DAY_US, 15)],
)
def test_a_window_moves_on_in_steps_that_suit_it(hours, step, steps):
    found = kpi(window_us=hours * HOUR_US)
    assert (found.step_us, found.steps) == (step, steps)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "kpis.yaml:7: unknown key 'kpis.0.colour' (known here: arm, at_least, at_most, "),
        ({"scope": {"team": "x"}}, "unknown key 'kpis.0.scope.team' (known here: action, agent, capability)"),
        ({"kind": "speed"}, "kpis.0.kind: Input should be 'success', 'agreement'"),
        ({"window_hours": 0}, "kpis.0.window_hours: Input should be greater than or equal to 1"),
        ({"window_hours": 340}, "a: over 336 hours a window has whole days: give 336"),
        ({"at_most": 0.5}, "a: give at_least or at_most, one of the two"),
        ({"at_least": None}, "a: give at_least or at_most, one of the two"),
        ({"at_least": 1.5}, "a: a target of kind success lies from 0 to 1"),
        ({"at_least": float("nan")}, "kpis.0.at_least: Input should be"),
        ({"kind": "uptime", "arm": "allowed"}, "a: a KPI of kind uptime has no arm: remove it"),
        ({"kind": "cost_per_decision", "arm": "incumbent"}, "a: nobody says what the incumbent's work costs"),
        ({"kind": "value", "scope": {"agent": "x"}}, "a: rollouts compare whole episodes of a capability"),
        ({"least": 0}, "kpis.0.least: Input should be greater than or equal to 1"),
        ({"name": " a"}, "kpis.0.name: String should match"),
        ({"scope": {"agent": "a b"}}, "kpis.0.scope.agent: String should match"),
    ],
)  # fmt: skip
def test_one_wrong_thing_is_named_with_its_cure(tmp_path, change, said):
    with pytest.raises(PolicyError) as refused:
        read(tmp_path, {key: value for key, value in (GOOD | change).items() if value is not None})
    assert said in str(refused.value)
    assert "kpis.yaml:" in str(refused.value)


def test_a_name_may_stand_once(tmp_path):
    with pytest.raises(PolicyError, match="a stands twice; give each a name of its own"):
        read(tmp_path, GOOD, GOOD)


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(PolicyError, match=r"'kpis\.0\.kind' is missing"):
        read(tmp_path, {key: value for key, value in GOOD.items() if key != "kind"})


def test_there_are_at_most_fifty(tmp_path):
    with pytest.raises(PolicyError, match="at most 50"):
        read(tmp_path, *(GOOD | {"name": f"a{number}"} for number in range(51)))
