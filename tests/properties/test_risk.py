"""Risk scores add up, and nothing that makes a mistake worse ever lowers them."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.gates import risk
from engine.core.vocabulary.actions import RISK_LEVELS, Action
from engine.core.vocabulary.arguments import plain_path, texts_of
from engine.core.vocabulary.verdicts import RULING_RANK
from tests.builders import proposal, shipped
from tests.drawn_texts import json_args
from tests.properties.test_impact_gates import more
from tests.strategies import impacts, proposals

SETTINGS = shipped().risk
actions = st.none() | st.builds(
    Action,
    name=st.just("try"),
    kind=st.sampled_from(["read", "write"]),
    risk=st.sampled_from(RISK_LEVELS),
    undo=st.sampled_from([None, "try"]),
)


def scored(action, asked):
    return risk.assess(SETTINGS, action, asked, texts_of(asked.args)).risk


def at_least_as_bad(worse, better):
    assert worse.score >= better.score
    assert RISK_LEVELS.index(worse.level) >= RISK_LEVELS.index(better.level)
    one, other = risk.judge(SETTINGS, worse), risk.judge(SETTINGS, better)
    assert RULING_RANK[one.ruling] >= RULING_RANK[other.ruling]


@given(actions, proposals)
def test_parts_sum_to_the_score_and_the_score_gives_the_level(action, asked):
    found = scored(action, asked)
    assert found.score == min(100, sum(part.points for part in found.parts))
    assert all(part.points > 0 and part.why for part in found.parts)
    assert len({part.name for part in found.parts}) == len(found.parts)
    begins = {level: score for score, level in SETTINGS.thresholds}
    assert begins[found.level] <= found.score
    higher = RISK_LEVELS[RISK_LEVELS.index(found.level) + 1 :]
    assert all(begins[level] > found.score for level in higher)


@given(
    proposals, st.sampled_from(RISK_LEVELS), st.sampled_from(RISK_LEVELS), st.sampled_from(["read", "write"])
)
def test_risk_is_monotone_in_what_the_registry_declares(asked, one, other, kind):
    low, high = sorted((one, other), key=RISK_LEVELS.index)
    better, worse = (scored(Action(name="try", kind=kind, risk=level), asked) for level in (low, high))
    at_least_as_bad(worse, better)


@given(actions, impacts, impacts)
def test_risk_is_monotone_in_impact(action, one, other):
    better, worse = (scored(action, proposal(impact=i)) for i in (one, more(one, other)))
    at_least_as_bad(worse, better)


@given(actions, json_args, st.sampled_from(["rm -rf /", "drop table x", ".env"]))
def test_one_more_argument_never_lowers_the_risk(action, args, text):
    better = scored(action, proposal(args=args))
    worse = scored(action, proposal(args={**args, "one more argument": text}))
    at_least_as_bad(worse, better)


@given(actions, proposals)
def test_production_never_lowers_the_risk(action, asked):
    import msgspec

    better = scored(action, msgspec.structs.replace(asked, environment="staging"))
    worse = scored(action, msgspec.structs.replace(asked, environment="production"))
    at_least_as_bad(worse, better)


steps = st.sampled_from(["a", "b", "..", ".", "", "etc"])
detours = st.lists(st.sampled_from(["/x/..", "/.", "/", "\\", "\\y\\..", "//z/./.."]), max_size=3).map(
    "".join
)


@given(st.lists(steps, max_size=6).map("/".join), st.booleans())
def test_making_a_path_plain_twice_changes_nothing_more(path, rooted):
    plain = plain_path("/" * rooted + path)
    assert plain_path(plain) == plain
    assert "//" not in plain
    assert "/./" not in plain


@given(detours, detours, st.sampled_from([".env", "/etc/passwd", "/root/.ssh/id", "config/policies/a.yaml"]))
def test_no_detour_hides_a_protected_place(before, between, path):
    head, slash, tail = path.rpartition("/")
    detour = before + "/" + (head + between + slash + tail if head else tail)
    action = shipped().actions["file.read"]
    found = risk.assess(SETTINGS, action, proposal("file.read", {"path": detour}), [detour])
    assert found.protected, detour
