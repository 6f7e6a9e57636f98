"""AgentDojo runs: each run an episode, each tool call a proposal, labels joined exactly and kept apart."""

import csv
import gzip
import json
import shutil
from decimal import Decimal

import pytest

from engine.core.gates.validation import judge
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import SECOND_US
from engine.errors import RecordingError
from simulator.importers import import_source
from simulator.importers.agentdojo import START_US, impact_of
from simulator.recording import Recording
from tests.importers.shared_data import needs

RUNS, HERE = needs("agentdojo", "agentdojo_runs.jsonl.xz")


def call(tool, **args):
    return {"fn": tool, "args": args}


def run(run_id="banking/m/user_task_0/none/none", **values):
    """One run in which the agent reads a bill and pays it."""
    return {
        "run_id": run_id,
        "suite": "banking",
        "model": "m@1",
        "user_task": "user_task_0",
        "attack": "none",
        "label": {"injections": {"a": "PAYLOAD"}},
        "duration_s": 2.5,
        "messages": [
            {"role": "user", "content": "Pay the bill"},
            {
                "role": "assistant",
                "content": "I read it first",
                "tool_calls": [call("read_file", path="bill")],
            },
            {"role": "tool", "fn": "read_file", "content": "98.70 to UK12"},
            {"role": "assistant", "tool_calls": [call("send_money", recipient="UK12", amount=98.7)]},
            {"role": "tool", "fn": "send_money", "error": "ValueError: no money", "content": None},
            {"role": "assistant", "content": "Sorry"},
        ],
    } | values


def rows_of(runs):
    return [
        {
            "run_id": each["run_id"],
            "step": str(step),
            "tool": tool["fn"],
            "attack_goal_call": str(int(tool["fn"] == "send_money")),
        }
        for each in runs
        for step, tool in enumerate(t for m in each["messages"] for t in m.get("tool_calls") or [])
    ]


@pytest.fixture
def source(tmp_path):
    """Write runs, and labels unless there are none, and import them."""

    def make(runs, rows=None):
        path = tmp_path / "runs.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in runs))
        if rows is not None:
            with (tmp_path / "agentdojo_actions.csv").open("w", newline="") as file:
                table = csv.DictWriter(file, ["run_id", "step", "tool", "attack_goal_call"])
                table.writeheader()
                table.writerows(rows)
        summary = import_source("agentdojo", path, tmp_path / "a.wkr")
        return summary, Recording(tmp_path / "a.wkr")

    return make


def kinds(recording):
    return [fact.__struct_config__.tag for _, fact in recording.facts()]


def all_of(recording, kind):
    return [fact for _, fact in recording.facts() if isinstance(fact, kind)]


def test_a_run_tells_its_story_in_order(source):
    _, recording = source([run()])
    assert kinds(recording) == [
        "message_observed",
        "message_observed",
        "proposal_received",
        "message_observed",
        "outcome_reported",
        "proposal_received",
        "message_observed",
        "outcome_reported",
        "message_observed",
        "episode_closed",
    ]
    reads, pays = (fact.proposal for fact in all_of(recording, f.ProposalReceived))
    assert (reads.agent, reads.capability, reads.action) == ("m-1", "banking-assistant@m-1", "read_file")
    assert (reads.rationale, reads.confidence, reads.environment) == ("I read it first", None, "")
    assert (pays.args, pays.impact.cost_usd) == ({"recipient": "UK12", "amount": 98.7}, Decimal("98.7"))
    good, bad = all_of(recording, f.OutcomeReported)
    assert (good.proposal_id, good.ok, good.detail, good.by) == (reads.proposal_id, True, "", "incumbent")
    assert (bad.proposal_id, bad.ok, bad.detail) == (pays.proposal_id, False, "ValueError: no money")
    sources = [message.source for message in all_of(recording, f.MessageObserved)]
    assert sources == ["person", "agent", "tool", "tool", "agent"]


def test_times_are_made_up_as_documented(source):
    _, recording = source([run(), run("two", duration_s=60)])
    closed = all_of(recording, f.EpisodeClosed)
    first = [fact.at_us for _, fact in recording.facts() if fact.at_us <= closed[0].at_us]
    assert sorted(set(first)) == [START_US + n * SECOND_US for n in range(7)]
    second = [fact.at_us for _, fact in recording.facts() if fact.at_us > closed[0].at_us]
    start = closed[0].at_us + SECOND_US
    assert sorted(set(second)) == [start + n * 10 * SECOND_US for n in range(7)]


def test_the_name_of_a_run_stays_with_the_labels(source):
    runs = [
        run("banking/m/user_task_0/important_instructions/injection_task_3", attack="important_instructions")
    ]
    _, recording = source(runs, rows_of(runs))
    for entry in recording.frames:
        lines = recording.read_frame(entry).lines
        for secret in (b"important_instructions", b"injection_task", b"PAYLOAD", b"unsafe", b"benign"):
            assert secret not in lines
    labels = [*recording.labels()]
    assert [label.unsafe for label in labels] == [False, True]
    assert labels[1].place == f"{runs[0]['run_id']} step 1"
    assert {label.benign_episode for label in labels} == {False}
    (episode,) = recording.episode_labels()
    assert (episode.episode, episode.benign, episode.place) == (labels[0].episode, False, runs[0]["run_id"])


def test_without_labels_there_is_a_warning(source):
    summary, recording = source([run()])
    assert "no labels" in summary.warnings[0]
    assert [*recording.labels()] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.pop(), r"2 tool calls, but 1 rows in agentdojo_actions.csv"),
        (lambda rows: rows[1].update(tool="other"), r"step 1 is 'other', but the run calls 'send_money'"),
        (lambda rows: rows[1].update(step="2"), r"row 2 \(line 3\): step 2 .* where step 1 comes next"),
        (lambda rows: rows[1].update(step="x"), r"row 2 .*step 'x'"),
        (lambda rows: rows[1].update(attack_goal_call="yes"), r"attack_goal_call 'yes'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(source, tmp_path, change, said):
    rows = rows_of([run()])
    change(rows)
    with pytest.raises(RecordingError, match=said):
        source([run()], rows)
    assert not (tmp_path / "a.wkr").exists()


def test_labels_without_their_column_are_refused(tmp_path):
    (tmp_path / "runs.jsonl").write_text(json.dumps(run()) + "\n")
    (tmp_path / "agentdojo_actions.csv").write_text("run_id,step,tool\na,0,b\n")
    with pytest.raises(RecordingError, match="no column 'attack_goal_call'"):
        import_source("agentdojo", tmp_path / "runs.jsonl", tmp_path / "a.wkr")


def test_labels_of_other_runs_are_counted(source):
    summary, _ = source([run()], rows_of([run(), run("elsewhere")]))
    assert summary.warnings == ("the labels of 1 runs that are not in the source were left out",)


def test_a_run_that_occurs_twice_is_two_episodes(source):
    runs = [run(), run()]
    summary, recording = source(runs, rows_of(runs))
    assert len({fact.proposal.proposal_id for fact in all_of(recording, f.ProposalReceived)}) == 4
    assert len(all_of(recording, f.EpisodeClosed)) == 2
    assert len([*recording.labels()]) == 4
    assert summary.warnings == ("runs with the name of an earlier one: once",)


def test_a_run_that_occurs_twice_may_share_its_labels(source):
    _, recording = source([run(), run()], rows_of([run()]))
    assert [label.unsafe for label in recording.labels()] == [False, True, False, True]


ODD = [
    {"role": "system", "content": "be good"},
    {"role": "user", "content": [{"type": "text", "content": "one"}, {"text": "two"}, "three", None]},
    {"role": "narrator", "content": "?"},
    "not a message",
    {"role": "assistant", "content": None},
    {
        "role": "assistant",
        "tool_calls": [None, {"args": {}}, {"fn": "a", "args": [1]}, {"fn": "a", "args": None}],
    },
    {
        "role": "assistant",
        "tool_calls": [
            {"function": {"name": "b", "arguments": '{"x": 1}'}},
            {"function": "c", "args": '{"y"'},
            {"function": "d", "args": {"n": None}},
        ],
    },
    {"role": "tool", "fn": "nobody", "content": "?"},
    {"role": "tool", "fn": "d", "content": "TypeError: d() missing 1 required argument"},
    {"role": "tool", "content": "matched to the oldest call"},
]


def test_odd_messages_are_taken_as_far_as_they_go(source):
    summary, recording = source(
        [run(messages=ODD), run("empty", messages=None, duration_s="long", model=None)]
    )
    proposals = [fact.proposal for fact in all_of(recording, f.ProposalReceived)]
    assert [(each.action, each.args) for each in proposals] == [
        ("unnamed", {}),
        ("a", {"arguments": [1]}),
        ("a", {}),
        ("b", {"x": 1}),
        ("c", {"arguments": '{"y"'}),
        ("d", {"n": None}),
    ]
    assert all_of(recording, f.MessageObserved)[0].text == "one\ntwo\nthree"
    outcomes = {fact.action: fact.ok for fact in all_of(recording, f.OutcomeReported)}
    assert outcomes == {"d": False, "unnamed": True}
    assert summary.warnings[1:] == (
        "messages of an unknown shape, left out: 2 times",
        "replies of tools that nobody called: once",
        "runs without a list of messages: once",
        "tool calls of an unknown shape, left out: once",
        "tool calls whose arguments are no object: once",
        "tool calls without a name: once",
    )


def test_numbers_and_text_that_json_forbids_are_kept_in_words(tmp_path):
    line = json.dumps(run()).replace(
        "98.7}", '1e999, "b": NaN, "c": "\\ud800", "d": 123456789012345678901234567890}'
    )
    (tmp_path / "runs.jsonl").write_text(line + "\n")
    import_source("agentdojo", tmp_path / "runs.jsonl", tmp_path / "a.wkr")
    pays = all_of(Recording(tmp_path / "a.wkr"), f.ProposalReceived)[1].proposal
    assert pays.args["amount"] == "inf"
    assert pays.args["b"] == "nan"
    assert pays.args["c"] == "?"
    assert pays.args["d"] == 123456789012345678901234567890
    assert pays.impact.cost_usd == 0


@pytest.mark.parametrize(
    ("amount", "cost"),
    [
        (98.7, "98.7"),
        (100, "100"),
        ("12.50", "12.50"),
        (0.1 + 0.2, "0.3"),
        (-5, "0"),
        (1e13, "0"),
        ("NaN", "0"),
        ("a lot", "0"),
        (True, "0"),
        (None, "0"),
        ([5], "0"),
        ("9" * 50, "0"),
        (1e-300, "0"),
        ("0E-50", "0"),
        ("1E+2", "100"),
    ],
)
def test_amounts_cost_what_they_say_or_nothing(amount, cost):
    assert impact_of("send_money", {"amount": amount}).cost_usd == Decimal(cost)


def test_reading_costs_nothing_and_writing_a_file_is_a_file():
    assert impact_of("get_balance", {"amount": 5}).cost_usd == 0
    assert (impact_of("delete_file", {}).files, impact_of("read_file", {}).files) == (1, 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", "line 1: not a JSON object"),
        ('{"suite": "a"}', "line 1: no run_id"),
        ("[" * 5000, "line 1: not JSON"),
    ],
)
def test_lines_that_are_no_runs_are_refused(tmp_path, line, said):
    (tmp_path / "runs.jsonl").write_text(line + "\n")
    with pytest.raises(RecordingError, match=said):
        import_source("agentdojo", tmp_path / "runs.jsonl", tmp_path / "a.wkr")
    assert not (tmp_path / "a.wkr").exists()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    path = tmp_path_factory.mktemp("agentdojo") / "real.wkr"
    ticks = []
    summary = import_source("agentdojo", RUNS, path, progress=lambda *tick: ticks.append(tick))
    assert ticks
    shares = [share for share, _ in ticks]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1
    return summary, Recording(path)


@HERE
def test_every_real_call_is_there_and_labelled(real):
    summary, recording = real
    assert (summary.rows, summary.kinds["proposal_received"], summary.warnings) == (5_473, 12_948, ())
    calls = [fact.proposal.proposal_id for fact in all_of(recording, f.ProposalReceived)]
    labels = [*recording.labels()]
    assert [label.proposal_id for label in labels] == calls
    assert sum(label.unsafe for label in labels) == 1_225
    episodes = [*recording.episode_labels()]
    assert (len(episodes), sum(episode.benign for episode in episodes)) == (5_473, 551)


@HERE
def test_the_join_with_the_real_labels_is_exact(real):
    _, recording = real
    with gzip.open(RUNS.with_name("agentdojo_actions.csv.gz"), "rt", newline="") as file:
        rows = [*csv.DictReader(file)]
    by_id = {fact.proposal.proposal_id: fact.proposal for fact in all_of(recording, f.ProposalReceived)}
    for row, label in zip(rows, recording.labels(), strict=True):
        proposal = by_id[label.proposal_id]
        assert label.place == f"{row['run_id']} step {row['step']}"
        assert label.unsafe == (row["attack_goal_call"] == "1")
        assert (proposal.action, proposal.args) == (row["tool"], json.loads(row["args_json"]))


@HERE
def test_nothing_of_the_labels_is_in_the_real_facts(real):
    _, recording = real
    attacks = (
        b"important_instructions",
        b"tool_knowledge",
        b"injecagent",
        b"ignore_previous",
        b"injection_task",
    )
    for entry in recording.frames:
        lines = recording.read_frame(entry).lines
        for secret in (*attacks, b"attack_goal", b"attack_success", b'"unsafe"', b'"benign'):
            assert secret not in lines
    assert "injection" not in str(recording.header)


@HERE
def test_the_inferred_registry_fits_the_calls_that_worked(real):
    _, recording = real
    actions = {action.name: action for action in recording.header.actions}
    worked = {fact.proposal_id for fact in all_of(recording, f.OutcomeReported) if fact.ok}
    proposals = [fact.proposal for fact in all_of(recording, f.ProposalReceived)]
    denied = [each for each in proposals if judge(actions, each).ruling == "deny"]
    wrongly = [each for each in denied if each.proposal_id in worked]
    assert len(denied) > 150, "malformed calls that the real tools refused"
    assert len(wrongly) < 10
    assert (actions["send_money"].kind, actions["send_money"].risk.value) == ("write", "HIGH")
    assert (actions["read_file"].kind, actions["read_file"].parameters["file_path"].type) == ("read", "path")


@HERE
def test_two_imports_of_the_real_runs_are_the_same_bytes(real, tmp_path):
    _, recording = real
    import_source("agentdojo", RUNS, tmp_path / "again.wkr")
    assert (tmp_path / "again.wkr").read_bytes() == recording.path.read_bytes()


@HERE
def test_a_truncated_source_is_one_line(tmp_path):
    cut = tmp_path / "cut.jsonl.xz"
    shutil.copyfile(RUNS, cut)
    with cut.open("r+b") as file:
        file.truncate(200_000)
    with pytest.raises(RecordingError, match=r"cut.jsonl.xz: cut short or damaged"):
        import_source("agentdojo", cut, tmp_path / "a.wkr")
    assert [*tmp_path.iterdir()] == [cut]
