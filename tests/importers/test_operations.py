"""Histories of operations: deployments and runs of GitHub, alerts, and the commits of a repository."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from engine.core.vocabulary import facts as f
from engine.errors import RecordingError
from simulator.importers import import_source
from simulator.recording import Recording
from simulator.sources import open_source
from tests.importers.logs import SECRET, lines

SPECS = Path(__file__).resolve().parents[3] / "shared" / "specs" / "github-webhooks" / "examples.json"
API = "https://api.github.com/repos/acme/shop"


@pytest.fixture
def taken(tmp_path):
    def make(format_name, records):
        path = tmp_path / "log.jsonl"
        path.write_bytes(lines(records))
        summary = import_source(format_name, path, tmp_path / "a.wkr")
        return summary, [fact for _, fact in Recording(tmp_path / "a.wkr").facts()]

    return make


def deployment(number=7, **more):
    return {
        "url": f"{API}/deployments/{number}",
        "id": number,
        "sha": "a" * 40,
        "ref": "main",
        "task": "deploy",
        "environment": "production",
        "description": "the weekly one",
        "creator": {"login": "octocat"},
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T10:00:00Z",
        "statuses_url": f"{API}/deployments/{number}/statuses",
    } | more


def status(state, minute, number=7):
    return {
        "url": f"{API}/deployments/{number}/statuses/1",
        "id": minute,
        "state": state,
        "description": "as it went",
        "deployment_url": f"{API}/deployments/{number}",
        "created_at": f"2026-03-01T10:{minute:02}:00Z",
    }


def run(**more):
    return {
        "id": 30,
        "name": "CI",
        "head_branch": "main",
        "head_sha": "b" * 40,
        "event": "push",
        "status": "completed",
        "conclusion": "failure",
        "workflow_id": 1,
        "url": f"{API}/actions/runs/30",
        "run_attempt": 1,
        "actor": {"login": "octocat"},
        "created_at": "2026-03-01T10:00:00Z",
        "updated_at": "2026-03-01T10:05:00Z",
    } | more


def test_a_deployment_ends_as_its_last_status_says_in_whatever_order_they_come(taken):
    _, facts = taken(
        "github", [status("failure", 9), status("in_progress", 1), deployment(), status("success", 5)]
    )
    asked = next(fact for fact in facts if isinstance(fact, f.ProposalReceived)).proposal
    assert (asked.agent, asked.action, asked.args["environment"]) == ("octocat", "deploy", "production")
    assert asked.args["repository"] == "acme/shop"
    (ended,) = [fact for fact in facts if isinstance(fact, f.OutcomeReported)]
    assert not ended.ok


def test_runs_of_one_commit_are_one_episode_and_each_attempt_counts(taken):
    _, facts = taken(
        "github", [{"total_count": 2, "workflow_runs": [run(), run(run_attempt=2, conclusion="success")]}]
    )
    assert [fact.ok for fact in facts if isinstance(fact, f.OutcomeReported)] == [False, True]
    assert len([fact for fact in facts if isinstance(fact, f.EpisodeClosed)]) == 1


def test_what_is_under_way_has_no_outcome(taken):
    summary, facts = taken(
        "github", [run(conclusion=None, status="in_progress"), status("success", 1, number=9)]
    )
    assert not [fact for fact in facts if isinstance(fact, f.OutcomeReported)]
    assert {warning.partition(":")[0] for warning in summary.warnings} == {
        "calls without an answer",
        "statuses of deployments that are not in it, left out",
    }


@pytest.mark.skipif(not SPECS.exists(), reason="../shared/specs/github-webhooks is not here")
def test_the_deliveries_that_github_documents_are_understood(taken):
    kinds = {entry["name"]: entry["examples"] for entry in json.loads(SPECS.read_text())}
    everything = [example for examples in kinds.values() for example in examples]
    _, facts = taken("github", everything)
    asked = {fact.proposal.action for fact in facts if isinstance(fact, f.ProposalReceived)}
    expected = {"deploy": "deployment_status", "run_workflow": "workflow_run"}
    assert asked == {action for action, kind in expected.items() if kind in kinds}
    assert asked


def alert(state="firing", *, start="2026-03-01T10:00:00Z", end="0001-01-01T00:00:00Z", **labels):
    return {
        "status": state,
        "labels": {"alertname": "DiskFull"} | labels,
        "annotations": {"summary": f"the disk of {labels.get('instance', 'db')} is full, key {SECRET}"},
        "startsAt": start,
        "endsAt": end,
        "fingerprint": "",
    }


def test_each_time_an_alert_fires_is_an_episode_and_how_many_fire_is_counted(taken):
    end = "2026-03-01T11:00:00Z"
    _, facts = taken(
        "alertmanager",
        [
            {"version": "4", "alerts": [alert(instance="db1"), alert(instance="db2")]},
            {"version": "4", "alerts": [alert(instance="db1")]},
            {"version": "4", "alerts": [alert("resolved", end=end, instance="db1")]},
            alert("firing", start="2026-03-01T12:00:00Z", instance="db1") | {"status": {"state": "active"}},
        ],
    )
    assert len({fact.episode for fact in facts if isinstance(fact, f.MessageObserved)}) == 3
    assert len([fact for fact in facts if isinstance(fact, f.EpisodeClosed)]) == 1
    assert [fact.value for fact in facts if isinstance(fact, f.MetricObserved)] == [1, 2, 1, 2]
    assert not any(SECRET.encode() in f.encode(fact) for fact in facts)


def test_alerts_without_a_start_are_counted(taken):
    summary, facts = taken("alertmanager", [{"alerts": [{"labels": {"a": "b"}}]}, {"x": 1}])
    assert facts == []
    assert any("left out: 2 times" in warning for warning in summary.warnings)


def git(folder, *args, when="2026-03-01T10:00:00Z"):
    who = {
        "GIT_AUTHOR_NAME": "Ann",
        "GIT_AUTHOR_EMAIL": "a@x",
        "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "a@x",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *args],
        env=os.environ | who | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number, name in enumerate(("a.txt", "ß b.txt"), 1):
        (folder / name).write_text("x")
        git(folder, "add", "-A")
        git(
            folder, "commit", "-qm", f"Add {name}\n\nbecause\x1f\x1e\x1d", when=f"2026-03-0{number}T10:00:00Z"
        )
    return folder


def history(folder, tmp_path):
    summary = import_source("git", folder, tmp_path / "git.wkr")
    recording = Recording(tmp_path / "git.wkr")
    return summary, [fact for _, fact in recording.facts()], [*recording.labels()]


def test_commits_are_proposals_and_a_reverted_one_went_wrong(repository, tmp_path):
    git(repository, "revert", "--no-edit", "HEAD", when="2026-03-05T10:00:00Z")
    _, facts, labels = history(repository, tmp_path)
    asked = [fact.proposal for fact in facts if isinstance(fact, f.ProposalReceived)]
    assert [(each.agent, each.impact.files, each.args["paths"]) for each in asked[:2]] == [
        ("Ann", 1, ["a.txt"]),
        ("Ann", 1, ["ß b.txt"]),
    ]
    assert [fact.ok for fact in facts if isinstance(fact, f.OutcomeReported)] == [True, True, True, False]
    assert [label.unsafe for label in labels if hasattr(label, "unsafe")] == [False, True, False]


def test_nothing_that_is_written_in_a_repository_is_run(repository, tmp_path):
    for key in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "core.hooksPath",
        "log.showSignature",
        "gpg.program",
    ):
        value = "true" if key == "log.showSignature" else f"touch {tmp_path}/ran"
        git(repository, "config", key, value)
    (repository / ".gitattributes").write_text("* diff=evil filter=evil\n")
    git(repository, "config", "diff.evil.textconv", f"touch {tmp_path}/ran; cat")
    history(repository, tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_repository_is_known_by_its_last_commit(repository, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    first = open_source(f"git:{repository}", cache).path
    assert open_source(f"git:{repository}", cache).path == first
    (repository / "c").write_text("x")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "Add c")
    assert open_source(f"git:{repository}", cache).path != first


def test_a_folder_that_is_no_repository_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="no history that git can read"):
        import_source("git", tmp_path, tmp_path / "a.wkr")
