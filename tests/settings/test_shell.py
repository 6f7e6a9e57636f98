"""`shell.yaml`: what it does to a policy and its hash, and what is said about a wrong one."""

import shutil

import msgspec
import pytest
from ruamel.yaml import YAML

from engine.errors import PolicyError
from engine.wiring import policies
from engine.wiring.policies import SHIPPED_CONFIG, build_policy, read_policy
from tests.builders import answer, ask, proposal


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped policy folder, beside its registry."""
    shutil.copytree(SHIPPED_CONFIG / "policies", tmp_path / "policies")
    shutil.copy2(SHIPPED_CONFIG / "actions.yaml", tmp_path / "actions.yaml")
    return tmp_path / "policies"


def write(folder, **changes):
    text = (folder / "shell.yaml").read_text()
    YAML().dump(dict(YAML(typ="safe").load(text)) | changes, folder / "shell.yaml")
    return read_policy(folder)


def test_a_folder_without_the_file_knows_nothing_of_commands(folder):
    (folder / "shell.yaml").unlink()
    policy = build_policy(read_policy(folder))
    asked = ask(proposal("shell.run", {"command": "mv a b"}), policy=policy)
    assert (asked.word, policy.risk.shell) == ("allow", None)
    assert [check.measure for check in answer(asked, "risk").checks] == ["risk_score"]


def test_the_hash_covers_the_file_and_the_version_of_the_lists(folder, monkeypatch):
    hashes = [read_policy(folder).policy_hash, write(folder, points={"unsure": 21}).policy_hash]
    monkeypatch.setattr(policies, "rules_version", lambda: "another")
    hashes.append(read_policy(folder).policy_hash)
    (folder / "shell.yaml").unlink()
    hashes.append(read_policy(folder).policy_hash)
    monkeypatch.undo()
    assert read_policy(folder).policy_hash == hashes[-1]
    assert len(set(hashes)) == 4


def test_it_says_what_may_run_and_what_becomes_of_the_rest(folder):
    source = write(
        folder,
        read_only=[{"run": "kubectl get pods", "flags": ["-A"], "values": ["-n", "--output"]}],
        places=["/srv/shop"],
        rulings={"unsure": "escalate", "hit": "deny"},
        role="captain",
        owner="responder",
        shells=["bash"],
    )
    policy = build_policy(msgspec.structs.replace(source))

    def word(command):
        return ask(proposal("shell.run", {"command": command}), policy=policy).word

    assert [word(f"kubectl get pods{more}") for more in ("", " -A -n web --output=json", " web", " -w")] == [
        *["allow", "allow"],
        *["hold", "hold"],
    ]
    assert [word("cat /srv/shop/a"), word("cat /srv/shop/../a"), word("cat /srv/shopping")] == [
        *["allow", "hold"],
        "hold",
    ]
    assert [word("bash -c ls"), word("sh -c ls"), word("sudo ls")] == ["allow", "hold", "deny"]
    said = answer(ask(proposal("shell.run", {"command": "sudo ls"}), policy=policy), "risk")
    assert (said.rule, said.owner) == ("shell.rulings.hit", "responder")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"colour": 1},
            "unknown key 'colour' (known here: owner, places, points, project, ",
        ),
        ({"points": {"unsure": 20, "maybe": 1}}, "unknown key 'points.maybe' (known here: hit, unsure)"),
        (
            {"project": [{"run": "a", "flag": []}]},
            "unknown key 'project.0.flag' (known here: flags, ",
        ),
        ({"project": [{"run": "bash", "operands": "words"}]}, "'bash' alone runs whatever stands behind it"),
        ({"project": [{"run": "pytest"}, {"run": "pytest"}]}, "run: 'pytest' stands 2 times; keep one"),
        ({"project": [{"run": "a; b"}]}, "project.0.run"),
        ({"project": [{"run": "a", "flags": ["-a"], "values": ["-a"]}]}, "-a is a flag and has a value"),
        ({"rulings": {"unsure": "deny", "hit": "escalate"}}, "hit is escalate, less strict than unsure"),
        ({"places": ["/"]}, "places"),
        ({"places": ["/srv"]}, "'/srv' is too wide, or not written out"),
        ({"places": ["/srv/a/.."]}, "'/srv/a/..' is too wide, or not written out"),
        ({"places": ["srv/a"]}, "places.0"),
        ({"shells": ["zsh"]}, "shells.0: Input should be 'sh', 'bash' or 'dash'"),
    ],
)
def test_a_wrong_one_is_refused_with_file_line_and_cure(folder, changes, said):
    with pytest.raises(PolicyError, match=r"shell\.yaml:\d+") as refused:
        write(folder, **changes)
    assert said in str(refused.value)
