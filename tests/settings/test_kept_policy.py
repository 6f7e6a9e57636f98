"""A compiled policy is kept beside its sources, and reads back as it was."""

import pytest

from engine.adapters.kept_policy import keep, policy_key, read_kept
from engine.core.shell import seen_in
from engine.wiring.policies import SHIPPED_POLICY, build_policy, read_policy


@pytest.fixture(scope="module")
def policy():
    return build_policy(read_policy(SHIPPED_POLICY))


def test_the_shipped_policy_can_be_kept_or_every_hook_would_read_yaml(policy, tmp_path):
    path = tmp_path / "hooks" / "policy.json"
    assert keep(path, "k", policy), "some part of it has no way to be kept"
    again = read_kept(path, "k")
    assert again is not None
    assert keep(tmp_path / "again.json", "k", again)
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert again.policy_hash == policy.policy_hash
    assert read_kept(path, "other") is None


@pytest.mark.parametrize(
    "command", ["ls -l | wc", "rm -rf build", "pytest -q", "sudo ls", "cat $x", "x" * 5_000]
)
def test_what_was_kept_sees_the_same_in_commands(policy, tmp_path, command):
    keep(tmp_path / "policy.json", "k", policy)
    again = read_kept(tmp_path / "policy.json", "k")
    action = policy.actions["tool.shell"]
    seen = [seen_in(each.risk.shell, action, {"command": command}) for each in (policy, again)]
    assert seen[0] == seen[1]


def test_others_may_not_write_what_is_read(policy, tmp_path):
    path = tmp_path / "policy.json"
    keep(path, "k", policy)
    path.chmod(0o666)
    assert read_kept(path, "k") is None


def test_a_key_covers_the_files_and_that_one_is_missing(tmp_path):
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    files[0].write_text("a: 1")
    keys = [policy_key(files)]
    files[0].write_text("a: 2")
    keys.append(policy_key(files))
    files[1].write_text("")
    keys.append(policy_key(files))
    assert len(set(keys)) == 3
