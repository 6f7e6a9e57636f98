"""The results file: what its page promises, what find_decision finds, and what a stopped replay leaves."""

import re
import sqlite3
from contextlib import closing

import msgspec
import pytest

from engine.core.vocabulary.facts import ProposalReceived, VerdictReached, decode
from engine.errors import InputError, StorageError
from engine.wiring import SHIPPED_POLICY
from simulator.recording import Recording
from simulator.replay import driver
from simulator.replay.results import Checkpoint, Results, Run, find_decision
from tests.determinism.gate import replay, stored_verdicts
from tests.determinism.histories import labels
from tests.house.tree import ROOT
from tests.report.replays import another_policy

PAGE = (ROOT / "docs" / "reference" / "results.md").read_text()
TABLES = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", PAGE, re.MULTILINE))
RUN = Run(
    recording="a.wkr",
    content_sha256="00",
    source="made",
    policies=["p"],
    policy_hashes=["11"],
    from_us=None,
    until_us=None,
)


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """A policy that asks people far more often."""
    changes = ("thresholds.yaml", "below_confidence: 0.7", "below_confidence: 0.96")
    return another_policy(tmp_path_factory.mktemp("other") / "config", changes)


@pytest.fixture(scope="session")
def both(recording, other, tmp_path_factory):
    """The results of two policies."""
    results = tmp_path_factory.mktemp("both") / "r.sqlite"
    replay(recording, SHIPPED_POLICY, other, results=results)
    return results


def ask(results, question):
    with closing(sqlite3.connect(results)) as connection:
        return connection.execute(question).fetchall()


def test_the_page_names_every_table_and_view(both):
    made = {name for (name,) in ask(both, "select name from sqlite_master where type in ('table', 'view')")}
    assert made - {"sqlite_stat1"} == TABLES.keys()


@pytest.mark.parametrize("table", TABLES)
def test_every_column_on_the_page_is_there(both, table):
    named = {word for word in re.findall(r"`(\w+)`", TABLES[table]) if word not in TABLES}
    columns = {row[1] for row in ask(both, f"pragma table_info({table})")}
    assert named - {"line"} <= columns | {"block"}


def test_every_decision_has_a_row_for_each_policy(both):
    proposals = sum(1 for _ in labels())
    assert ask(both, "select track, count(*) from decisions group by track") == [
        (0, proposals),
        (1, proposals),
    ]


def test_rows_say_what_the_stored_verdicts_say(both):
    rows = ask(
        both, "select decision_id, word, shadowed, risk, cost_usd, at_us from decisions where track = 1"
    )
    verdicts = [decode(line).verdict for line in stored_verdicts(both, 1)]
    assert sorted(rows) == sorted(
        (v.decision_id, v.word, v.shadowed, v.assessment.risk.level.value, float(v.impact.cost_usd), v.at_us)
        for v in verdicts
    )


def test_the_rule_of_a_row_is_its_strictest_objection(both):
    rank = "case o.ruling when 'deny' then 3 when 'consensus' then 2 else 1 end"
    wrong = f"""select count(*) from decisions d where d.rule != '' and not exists (
        select 1 from objections o where o.track = d.track and o.seq = d.seq and o.rule = d.rule and {rank} =
        (select max({rank}) from objections o where o.track = d.track and o.seq = d.seq))"""
    assert ask(both, wrong) == [(0,)]
    assert ask(both, "select count(*) from decisions where (rule = '') != (word = 'allow')") == [(0,)]


def test_the_views_count_what_the_tables_hold(both):
    differing = ask(both, "select count(*) from differences")[0][0]
    assert differing > 0
    counted = (
        "select count(*) from decisions a, decisions b where a.track = 0 and b.track = 1 and a.seq = b.seq"
    )
    assert ask(both, f"{counted} and (a.word, a.shadowed) != (b.word, b.shadowed)") == [(differing,)]
    assert ask(both, "select sum(decisions) from rules_fired") == ask(both, "select count(*) from objections")


def test_no_label_is_there_unless_scoring_puts_it_there(both):
    assert ask(both, "select count(*) from labels") == [(0,)]
    assert b"benign_episode" not in b"".join(stored_verdicts(both))


def test_find_decision_gives_the_proposal_and_the_verdict(both):
    decision_id = ask(
        both, "select decision_id from decisions where track = 0 order by seq limit 1 offset 99"
    )[0][0]
    for track in (0, 1):
        asked, answered = map(decode, find_decision(both, decision_id, track))
        assert isinstance(asked, ProposalReceived)
        assert isinstance(answered, VerdictReached)
        assert answered.verdict.proposal_id == asked.proposal.proposal_id
        assert answered.verdict.decision_id == decision_id
    policies = {decode(find_decision(both, decision_id, track)[1]).verdict.policy_hash for track in (0, 1)}
    assert len(policies) == 2


def test_find_decision_of_an_unknown_id_is_none(both):
    assert find_decision(both, "d_nowhere") is None
    assert find_decision(both, "' or 1 = 1 --") is None


@pytest.mark.parametrize("name", ["50%.sqlite", "a#b.sqlite", "a?b.sqlite", "ü b.sqlite", "%41.sqlite"])
def test_find_decision_takes_any_file_name(both, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(both.read_bytes())
    decision_id = ask(both, "select decision_id from decisions limit 1")[0][0]
    assert find_decision(path, decision_id) is not None


@pytest.mark.parametrize("what", ["missing", "folder", "text", "another database", "damaged block"])
def test_find_decision_of_anything_else_says_so(both, what, tmp_path):
    path = tmp_path / "r.sqlite"
    match what:
        case "folder":
            path.mkdir()
        case "text":
            path.write_text("no database\n" * 200)
        case "another database":
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("create table other (x)")
        case "damaged block":
            path.write_bytes(both.read_bytes())
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("update blocks set body = x'00'")
    decision_id = ask(both, "select decision_id from decisions limit 1")[0][0]
    with pytest.raises(InputError) as refused:
        find_decision(path, decision_id)
    assert str(path) in str(refused.value)
    assert sorted(tmp_path.iterdir()) == ([] if what == "missing" else [path])


# ---------------------------------------------------------------- stopping and going on


def checkpoint_of(results):
    (stored,) = ask(
        results.with_name(results.name + ".partial"), "select value from run where what = 'checkpoint'"
    )
    return msgspec.msgpack.decode(stored[0], type=Checkpoint)


def test_a_stopped_replay_leaves_a_partial_file_with_a_checkpoint(recording, tmp_path):
    results = tmp_path / "r.sqlite"
    replay(recording, results=results, stop_after=4)
    assert [path.name for path in tmp_path.iterdir()] == ["r.sqlite.partial"]
    assert checkpoint_of(results).next_group == 4
    sizes = Recording(recording).footer.group_sizes
    assert sum(checkpoint_of(results).kinds.values()) == sum(sizes[:4])


def test_checkpoints_come_while_it_runs(recording, tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "_CHECKPOINT_S", 0)
    kept, committed = Results.commit, []
    monkeypatch.setattr(
        Results, "commit", lambda self, point: (committed.append(point.next_group), kept(self, point))[1]
    )
    replay(recording, results=tmp_path / "r.sqlite")
    groups = len(Recording(recording).footer.group_sizes)
    assert committed == [*range(1, groups + 1), groups]


def test_a_finished_replay_has_its_name_and_nothing_beside_it(recording, tmp_path):
    replay(recording, results=tmp_path / "r.sqlite")
    assert [path.name for path in tmp_path.iterdir()] == ["r.sqlite"]


def test_beginning_anew_forgets_a_stopped_replay(recording, tmp_path):
    results = tmp_path / "r.sqlite"
    replay(recording, results=results, stop_after=4)
    assert replay(recording, results=results).finished
    assert [path.name for path in tmp_path.iterdir()] == ["r.sqlite"]


def test_the_results_of_before_stand_until_the_new_ones_are_through(recording, tmp_path):
    results = tmp_path / "r.sqlite"
    replay(recording, results=results)
    before = results.read_bytes()
    replay(recording, results=results, stop_after=2)
    assert results.read_bytes() == before


def test_there_must_be_something_to_go_on_from(recording, tmp_path):
    with pytest.raises(InputError, match="no stopped replay to go on from"):
        replay(recording, results=tmp_path / "r.sqlite", resume=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"no database\n" * 200])
def test_what_is_no_results_file_is_not_gone_on_from(recording, body, tmp_path):
    partial = tmp_path / "r.sqlite.partial"
    partial.write_bytes(body)
    with pytest.raises(InputError, match="not a results file"):
        replay(recording, results=tmp_path / "r.sqlite", resume=True)
    assert partial.read_bytes() == body


def test_a_replay_killed_before_its_first_checkpoint_says_so(recording, tmp_path):
    kept = Results(tmp_path / "r.sqlite", RUN, resume=False)
    kept.close()
    with pytest.raises(InputError, match="stopped before its first group"):
        Results(tmp_path / "r.sqlite", RUN, resume=True)


def test_another_policy_does_not_go_on_from_it(recording, other, tmp_path):
    results = tmp_path / "r.sqlite"
    replay(recording, results=results, stop_after=2)
    with pytest.raises(InputError, match="another recording, policy or span"):
        replay(recording, other, results=results, resume=True)
    assert replay(recording, results=results, resume=True).finished


def test_discard_leaves_nothing(tmp_path):
    kept = Results(tmp_path / "r.sqlite", RUN, resume=False)
    kept.end_group()
    kept.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises((InputError, StorageError), match="nowhere"):
        Results(tmp_path / "nowhere" / "r.sqlite", RUN, resume=False)
