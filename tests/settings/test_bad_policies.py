"""Whatever is wrong with a policy folder, one line says where it is, what it is, and what to do about it."""

import os
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from engine.core.gates.rules import RULE_FACTS
from engine.errors import InputError, PolicyError
from engine.wiring import read_policy

ONE_THING_WRONG = YAML(typ="safe").load(Path(__file__).with_name("one_thing_wrong.yaml"))


@pytest.mark.parametrize("case", ONE_THING_WRONG.values(), ids=ONE_THING_WRONG)
def test_one_wrong_thing_is_named_with_its_line_and_cure(folder, case):
    name = case["file"]
    folder.edit(name, case["old"], case["new"])
    line = folder.line_of(name, case["line"]) if "line" in case else 1
    said = case["said"].replace("{facts}", ", ".join(sorted(RULE_FACTS)))
    assert folder.complaint() == f"{name}.yaml:{line}: {said}"


@pytest.mark.parametrize(
    ("measure", "old", "new", "cap"), [("cost_usd", "50", "100.01", "100"), ("files", "5", "11", "10")]
)
def test_files_that_contradict_each_other_are_named_with_both_values(folder, measure, old, new, cap):
    folder.edit("thresholds", f"from_{measure}: {old} ", f"from_{measure}: {new} ")
    assert folder.complaint() == (
        f"policies: thresholds: consensus.from_{measure} is {new}, but limits: blast.{measure} denies "
        f"everything over {cap}, so no vote would ever be held; lower the first or raise the second"
    )


def test_voters_who_could_never_carry_anything_are_named_with_what_it_takes(folder):
    folder.edit(
        "voting", "topics: []", "topics: [{action: db.*, voters: {ada: 1, 'agent:a': 1, 'agent:b': 2}}]"
    )
    assert folder.read().settings.voting.topics
    folder.edit("voting", "owners: {}", "owners: {'agent:a': ada, 'agent:b': ada}")
    assert folder.complaint() == (
        "policies: voting: topics of * db.*: its voters have 2 votes, and thresholds: consensus asks for 3, "
        "so nothing would ever be carried; register more voters, of more owners"
    )


def test_a_competition_that_would_never_be_decided_is_refused_and_one_makes_another_policy(folder):
    before = folder.read().policy_hash
    folder.edit("voting", "competition: null", "competition: {within_s: 86400.0}")
    assert folder.complaint().startswith(
        "policies: voting: competition takes 86400 s for ballots and 900 s for a captain, but thresholds: "
        "memory.hold_s ends every wait after 86400 s"
    )
    folder.edit("voting", "competition: {within_s: 86400.0}", "competition: {method: borda}")
    assert folder.read().policy_hash != before


def test_what_nobody_says_about_votes_leaves_the_policy_as_it_was(folder):
    before = folder.read().policy_hash
    folder.edit("voting", "quorum: null", "quorum: 4")
    assert folder.read().policy_hash != before
    folder.file("voting").unlink()
    assert folder.read().policy_hash == before


def test_a_captaincy_that_cannot_be_held_is_refused_and_none_leaves_the_policy_as_it_was(folder):
    before = folder.read().policy_hash
    folder.edit("captaincy", "deputy: null", "deputy: bob")
    assert "there is no captain to be deputy of" in folder.complaint()
    folder.edit("captaincy", "captain: null", "captain: bob")
    assert "bob cannot be captain and deputy" in folder.complaint()
    folder.edit("captaincy", "captain: bob", "captain: ada")
    assert folder.read().policy_hash != before
    folder.file("captaincy").unlink()
    assert folder.read().policy_hash == before


def test_a_threshold_exactly_at_the_cap_is_no_contradiction(folder):
    folder.edit("thresholds", "from_cost_usd: 50 ", "from_cost_usd: 100 ")
    assert folder.edit("thresholds", "from_files: 5 ", "from_files: 10 ").read()


def test_one_condition_may_be_tried_in_shadow_beside_its_enforced_twin(folder):
    twin = 'when: kind ==  "write" && untrusted_targets > 0\n    mode: shadow'
    assert folder.edit("rules", 'when: kind == "read" && protected', twin).read()


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
UNREADABLE = {
    "nothing": ("", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "a comment": ("# later\n", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "a list": ("- rules\n", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "a word": ("rules\n", "rules.yaml:1: not a mapping of keys to values (begin with `key: value`)"),
    "two documents": (
        "rules: []\n---\nrules: []\n",
        "rules.yaml:2: not valid YAML: but found another document (check indentation and quotes)",
    ),
    "aliases that explode": (BOMB, "rules.yaml: more than 100000 values (remove the nested aliases)"),
    "a list in itself": ("rules: &a [*a]\n", None),
    "a megabyte": ("# " + "x" * 1_000_000, "rules.yaml: larger than 1000000 bytes (split it)"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff", "rules.yaml: not UTF-8 text (save it as UTF-8)"),
    "zero bytes": (
        b"rules: \0\n",
        (
            "rules.yaml: not valid YAML: unacceptable character #x0000: special characters are not allowed "
            "(check indentation and quotes)"
        ),
    ),
    "brackets without end": ("rules: " + "[" * 1000, "rules.yaml: nested too deeply (flatten it)"),
    "a day that does not exist": (
        "rules: 2020-13-45\n",
        "rules.yaml: not valid YAML: month must be in 1..12 (check indentation and quotes)",
    ),
    "a number without end": (f"rules: {'1' * 5000}\n", None),
    "a tag that lies": ("rules: !!int x\n", None),
    "a truth that lies": ("rules: !!bool x\n", None),
    "somebody's object": (
        "rules: !!python/object:os.system x\n",
        "rules.yaml:1: rules.0: Input should be a valid dictionary or instance of RuleEntry, not 'x'",
    ),
    "a list as a key": ("? [a, b]\n: c\nrules: []\n", None),
    "a number as a key": ("5: c\nrules: []\n", "rules.yaml:1: 5: Keys should be strings, not 5"),
    "a date as a key": ("2020-01-01: c\nrules: []\n", None),
    "a set": ("rules: !!set {a, b}\n", None),
    "half a letter": ('rules: "\\ud800"\n', None),
}


@pytest.mark.parametrize(("body", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_policy_at_all_is_refused_in_one_line(folder, body, said):
    complaint = folder.write("rules", body).complaint()
    assert complaint.startswith("rules.yaml")
    assert len(complaint) < 400
    assert said is None or complaint == said


def test_an_anchor_may_be_used_again_without_a_warning(folder):
    folder.edit("limits", "files: 10 ", "files: &n 10 ").edit("limits", "trials: 1 ", "trials: &n 1 ")
    assert folder.read().settings.limits.breaker.trials == 1


def test_merging_keys_counts_as_writing_them(folder):
    folder.edit("thresholds", "  hold_s: 86400 ", "  <<: {hold_s: 5, episode_idle_s: 7}\n# ")
    folder.edit("thresholds", "  episode_idle_s: 86400 ", "# ")
    assert folder.read().settings.thresholds.memory.hold_s == 5


@pytest.mark.parametrize("name", ["limits", "risk", "thresholds", "rules", "actions"])
def test_a_missing_file_is_named(folder, name):
    folder.file(name).unlink()
    assert folder.complaint() == f"{name}.yaml: no such file (copy it from the shipped config and adapt it)"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError) as refused:
        read_policy(tmp_path / "nowhere")
    assert str(refused.value) == (
        f"{tmp_path}/nowhere: no such policy folder (give a folder with limits.yaml and its companions)"
    )
    assert refused.value.place == f"{tmp_path}/nowhere"
    assert refused.value.cure == "give a folder with limits.yaml and its companions"


def test_a_file_is_no_folder(folder):
    with pytest.raises(InputError, match="no such policy folder"):
        read_policy(folder.file("limits"))


def test_a_folder_is_no_file(folder):
    folder.file("rules").unlink()
    folder.file("rules").mkdir()
    assert (
        folder.complaint()
        == "rules.yaml: cannot be read: Is a directory (check the path and its permissions)"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_we_may_not_read_is_named(folder):
    folder.file("rules").chmod(0)
    assert re.match("rules.yaml: cannot be read: Permission denied", folder.complaint())


def test_what_is_wrong_is_kept_as_data(folder):
    folder.edit("limits", "files: 10 ", "fles: 10 ")
    with pytest.raises(PolicyError) as refused:
        folder.read()
    assert refused.value.message == "unknown key 'blast.fles'"
    assert refused.value.cure == "known here: api_calls, cost_usd, files"
    assert refused.value.place == f"{folder.file('limits')}:{folder.line_of('limits', 'fles')}"


def test_the_complaint_about_a_large_value_stays_short(folder):
    folder.write("rules", "rules: {" + ", ".join(f"key{n}: {n}" for n in range(5000)) + "}\n")
    assert len(folder.complaint()) < 250
