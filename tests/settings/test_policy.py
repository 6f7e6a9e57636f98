"""A policy folder becomes what the core decides by, under a hash that stands for values, not spelling."""

import re
import shutil
from decimal import Decimal

import msgspec
import pytest

from engine.core.vocabulary.actions import RISK_LEVELS, Action, RiskLevel
from engine.core.vocabulary.facts import Limit, PolicyAdopted, decode, encode
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
from tests.builders import shipped


def test_the_shipped_policy_says_what_the_issue_asks_for():
    policy = shipped()
    caps = policy.blast.caps
    assert (caps.cost_usd, caps.files, caps.api_calls) == (100, 10, 1000)
    windows = {(limit.measure, limit.per): (limit.most, limit.window_us) for limit in policy.limits}
    for per in ("agent", "all"):
        assert windows[("api_calls", per)] == (100, MINUTE_US)
        assert windows[("cost_usd", per)] == (10, HOUR_US)
        assert windows[("files", per)] == (50, HOUR_US)
    assert (policy.consensus.from_cost_usd, policy.consensus.from_files) == (50, 5)
    assert (policy.consensus.votes, policy.consensus.voters) == (3, 5)
    assert (policy.escalation.below_confidence, policy.escalation.above_cost_usd) == (0.7, 50)
    assert (policy.hold_us, policy.episode_idle_us) == (DAY_US, DAY_US)
    assert (policy.breaker.window_us, policy.breaker.open_us) == (5 * MINUTE_US, MINUTE_US)
    assert [level for _, level in policy.risk.thresholds] == list(reversed(RISK_LEVELS))


def test_adopting_it_is_a_fact_that_reads_back():
    fact = shipped().adopted(5)
    assert isinstance(fact, PolicyAdopted)
    assert decode(encode(fact)) == fact
    assert (fact.at_us, fact.policy_hash, fact.limits) == (5, shipped().policy_hash, shipped().limits)


def test_a_copy_of_the_shipped_policy_has_its_hash(folder):
    assert folder.read().policy_hash == build_policy(folder.read()).policy_hash == shipped().policy_hash
    assert re.fullmatch(r"[0-9a-f]{64}", shipped().policy_hash)


def test_the_registry_may_lie_in_the_folder_itself(folder):
    shutil.move(folder.file("actions"), folder.path / "actions.yaml")
    assert folder.read().policy_hash == shipped().policy_hash


SPELLINGS = [
    ("limits", "cost_usd: 100 ", "cost_usd: 100.0 "),
    ("limits", "cost_usd: 100 ", "cost_usd: 1.0e2 "),
    ("limits", "cost_usd: 100 ", "'cost_usd': \"100\" "),
    ("limits", "most: 10\n", "most: 10.000\n"),
    ("limits", "window_s: 60 ", "window_s: 60.0 "),
    ("limits", "# US dollars", "# dollars of the United States"),
    (
        "limits",
        "  files: 10          # files changed\n  api_calls: 1000",
        "  api_calls: 1000\n  files: 10\n  #",
    ),
    ("thresholds", "from_cost_usd: 50 ", "from_cost_usd: 50.00 "),
    ("thresholds", "below_confidence: 0.7 ", "below_confidence: 0.70 "),
    ("thresholds", "  votes: 3             # how many must agree\n", ""),
    ("risk", "    SAFE: 0\n    LOW: 15\n", "    LOW: 15\n    SAFE: 0\n"),
    ("risk", "  SAFE: allow\n  LOW: allow\n", "  LOW: allow\n  SAFE: allow\n"),
    ("risk", "  SAFE: 0\n  LOW: 10\n", "  LOW: 10\n  SAFE: 0\n"),
    ("rules", "    ruling: escalate              # allow", "    mode: enforce\n    ruling: escalate # allow"),
    (
        "actions",
        "{path: {type: path}, content: {type: string}}",
        "{content: {type: string}, path: {type: path}}",
    ),
    ("actions", "{path: {type: path}}", "{path: {type: path, required: true, nullable: false}}"),
]


@pytest.mark.parametrize(("name", "old", "new"), SPELLINGS)
def test_another_spelling_of_the_same_values_keeps_the_hash(folder, name, old, new):
    if "votes" in old:
        folder.edit(name, "  owner: captain       # role that may change this\n", f"  owner: captain\n{old}")
    assert folder.edit(name, old, new).read().policy_hash == shipped().policy_hash


def test_the_order_of_actions_keeps_the_hash(folder):
    text = folder.file("actions").read_text()
    head, _, rest = text.partition("  file.read:\n")
    entry, _, tail = rest.partition("  file.write:\n")
    folder.write("actions", f"{head}  file.write:\n{tail}  file.read:\n{entry}")
    assert folder.read().policy_hash == shipped().policy_hash


VALUES = [
    ("limits", "cost_usd: 100 ", "cost_usd: 100.01 "),
    ("limits", "files: 10 ", "files: 9 "),
    ("limits", "owner: captain", "owner: responder"),
    ("limits", "id: cost_per_hour\n", "id: dollars_per_hour\n"),
    ("limits", "window_s: 60 ", "window_s: 60.5 "),
    ("limits", "failures_to_open: 5", "failures_to_open: 6"),
    ("limits", "successes_to_close: 2", "successes_to_close: 1"),
    ("risk", "irreversible: 5", "irreversible: 6"),
    ("risk", "LOW: 10\n", "LOW: 11\n"),
    ("risk", "MEDIUM: allow", "MEDIUM: escalate"),
    ("risk", "[production, prod, live]", "[production, prod]"),
    ("risk", "'\\brm\\s+", "'\\brm\\s*"),
    ("risk", "points: 70 ", "points: 71 "),
    ("risk", "why: it holds secrets", "why: it holds many secrets"),
    ("risk", "path: '/etc/**'", "path: '/usr/**'"),
    ("thresholds", "votes: 3", "votes: 2"),
    ("thresholds", "below_confidence: 0.7", "below_confidence: 0.71"),
    ("thresholds", "confidence_from: LOW", "confidence_from: SAFE"),
    ("thresholds", "hold_s: 86400", "hold_s: 86401"),
    ("thresholds", "episode_idle_s: 86400", "episode_idle_s: 86401"),
    ("rules", "untrusted_targets > 0", "untrusted_targets > 1"),
    ("rules", "mode: shadow", "mode: enforce"),
    ("rules", "ruling: deny", "ruling: escalate"),
    ("rules", "reason: it reads a protected place", "reason: it reads"),
    ("actions", "    risk: SAFE", "    risk: LOW"),
    ("actions", "    kind: read", "    kind: write"),
    ("actions", "undo: file.restore", "undo: file.write"),
    ("actions", "summary: Read one file.", "summary: Read a file."),
    ("actions", "required: false", "required: true"),
    ("actions", "choices: [EUR, GBP, USD]", "choices: [EUR, GBP]"),
    ("actions", "  http.get:\n", "  http.fetch:\n"),
    (
        "actions",
        "parameters: {path: {type: path}}",
        "parameters: {path: {type: path}}\n    blast: {cost_usd: 1, files: 1, api_calls: 1}",
    ),
]


@pytest.mark.parametrize(("name", "old", "new"), VALUES)
def test_another_value_gives_another_hash(folder, name, old, new):
    assert folder.edit(name, old, new).read().policy_hash != shipped().policy_hash


def test_values_reach_the_core(folder):
    folder.edit("limits", "window_s: 60 ", "window_s: 0.000001 ")
    folder.edit(
        "actions", "    risk: SAFE\n", "    risk: SAFE\n    blast: {cost_usd: 0.5, files: 1, api_calls: 2}\n"
    )
    folder.edit("thresholds", "hold_s: 86400", "hold_s: 1.5")
    policy = build_policy(folder.read())
    assert policy.limits[0] == Limit(
        id="api_calls_per_minute_and_agent", measure="api_calls", most=Decimal(100), window_us=1, per="agent"
    )
    assert policy.actions["file.read"].blast.cost_usd == Decimal("0.5")
    assert policy.hold_us == 1_500_000
    assert build_policy(folder.read()).policy_hash == policy.policy_hash


def test_a_policy_may_be_compiled_elsewhere(folder):
    """A source is plain data: a worker process compiles the same policy from it."""
    import pickle

    source = pickle.loads(pickle.dumps(folder.read()))
    assert build_policy(source).policy_hash == shipped().policy_hash


def recorded(name, **values):
    return Action(name=name, **{"kind": "write", "risk": RiskLevel.LOW} | values)


def test_recorded_actions_are_known_and_hashed_but_the_folder_wins():
    source = read_policy(SHIPPED_POLICY)
    extended = source.with_recorded([recorded("bank.transfer"), recorded("file.read", summary="theirs")])
    policy = build_policy(extended)
    assert policy.actions["bank.transfer"].kind == "write"
    assert policy.actions["file.read"].summary == "Read one file."
    assert policy.policy_hash == extended.policy_hash != source.policy_hash
    again = source.with_recorded([recorded("file.read", summary="theirs")])
    assert again.policy_hash == source.policy_hash


def test_a_policy_cannot_be_changed():
    with pytest.raises(AttributeError):
        shipped().hold_us = 0
    with pytest.raises(AttributeError):
        read_policy(SHIPPED_POLICY).place = ""
    with pytest.raises((TypeError, ValueError)):
        read_policy(SHIPPED_POLICY).settings.limits.owner = "viewer"


def test_a_policy_without_rules_patterns_or_limits_is_a_policy(folder):
    folder.write("rules", "rules: []\n")
    text = re.sub(
        r"(?s)destructive:\n  - id.*?# Places", "destructive: []\n# Places", folder.file("risk").read_text()
    )
    folder.write("risk", re.sub(r"(?s)protected:\n.*", "protected: []\n", text))
    folder.write(
        "limits",
        re.sub(r"(?s)windows:.*?breaker:", "windows: []\nbreaker:", folder.file("limits").read_text()),
    )
    policy = build_policy(folder.read())
    assert (policy.limits, policy.risk.destructive, policy.risk.protected) == ((), (), ())
    assert policy.rules.fired(()) == ()
    assert msgspec.json.encode(policy.adopted(0))


def test_an_approval_rule_of_the_registry_reaches_the_core_and_its_hash(folder):
    before = folder.read().policy_hash
    rule = "approval: {role: captain, people: 2, expires_s: 3600, class: A}"
    folder.edit("actions", "requires_approval: true  ", f"{rule}  ")
    source = folder.read()
    found = build_policy(source).actions["container.stop"].approval
    assert (found.role, found.needed, found.owner_counts) == ("captain", 2, False)
    assert (found.expires_us, found.approval_class) == (3_600_000_000, "A")
    assert source.policy_hash != before


def test_an_approval_that_waits_longer_than_anything_is_refused(folder):
    folder.edit("actions", "requires_approval: true  ", "approval: {expires_s: 9000000} ")
    assert "container.stop is to wait 9e+06 s for approval" in folder.complaint()
