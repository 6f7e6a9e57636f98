"""What is written is read: every fact, in order, from anywhere, and nothing else."""

import pickle
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.vocabulary import facts as f
from simulator.recording import GROUP_FACTS, LANES, Recording, RecordingWriter, lane_of, lanes_of
from tests.recording.samples import HEADER, LABELS, content, mixed, write
from tests.strategies import histories


def once(history):
    """Drop proposals whose id came before: a recording has each once."""
    seen = set()
    for fact in history:
        if isinstance(fact, f.ProposalReceived):
            if fact.proposal.proposal_id in seen:
                continue
            seen.add(fact.proposal.proposal_id)
        yield fact


@given(history=histories())
def test_every_kind_of_fact_comes_back(history):
    written = [*once(history)]
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(write(Path(folder) / "a.wkr", written))
        assert [*recording.facts()] == [*enumerate(written, 1)]


@given(count=st.integers(0, 60), after_seq=st.integers(-3, 70))
def test_reading_starts_after_any_fact(count, after_seq):
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(write(Path(folder) / "a.wkr", mixed(count)))
        assert [seq for seq, _ in recording.facts(after_seq=after_seq)] == [
            *range(max(1, after_seq + 1), count + 1)
        ]


def test_groups_end_at_their_size(tmp_path):
    recording = Recording(write(tmp_path / "a.wkr", mixed(GROUP_FACTS * 2 + 5)))
    assert recording.footer.group_sizes == [GROUP_FACTS, GROUP_FACTS, 5]
    seqs = [seq for seq, _ in recording.facts(after_seq=GROUP_FACTS - 1)]
    assert seqs == [*range(GROUP_FACTS, GROUP_FACTS * 2 + 6)]


def test_groups_end_early_when_facts_are_long(tmp_path):
    text = "x" * 1_000_000
    facts = [f.MessageObserved(at_us=0, episode=f"e-{n}", source="tool", text=text) for n in range(20)]
    recording = Recording(write(tmp_path / "a.wkr", facts))
    assert recording.footer.group_sizes == [9, 9, 2]
    assert [fact for _, fact in recording.facts()] == facts


def test_an_episode_and_a_series_stay_in_one_lane(tmp_path):
    recording = Recording(write(tmp_path / "a.wkr", mixed(GROUP_FACTS + 2_000)))
    lanes = {}
    for entry in recording.frames:
        for fact in recording.read_frame(entry).facts():
            match fact:
                case (
                    f.MetricObserved(series=key)
                    | f.MessageObserved(episode=key)
                    | f.EpisodeClosed(episode=key)
                ):
                    lanes.setdefault((key,), set()).add(entry.lane)
                case f.ProposalReceived(proposal=proposal):
                    key = proposal.episode or proposal.proposal_id
                    lanes.setdefault((key,), set()).add(entry.lane)
                case f.OutcomeReported(proposal_id=key):
                    lanes.setdefault(("outcome", key), set()).add(entry.lane)
                case _:
                    assert entry.lane == 0
            assert lane_of(fact) == entry.lane
    assert {len(found) for found in lanes.values()} == {1}
    assert set().union(*lanes.values()) == set(range(LANES))


def test_many_facts_lie_in_the_lanes_that_each_lies_in():
    written = [*mixed(300)]
    assert lanes_of(written) == {lane_of(fact) for fact in written} == set(range(LANES))
    assert all(lanes_of([fact]) == {lane_of(fact)} for fact in written)
    assert lanes_of([]) == set()


def test_each_lane_alone_gives_its_own_facts_in_order(tmp_path):
    written = [*mixed(3_000)]
    recording = Recording(write(tmp_path / "a.wkr", written))
    for lane in range(LANES):
        read = []
        for entry in recording.frames:
            if entry.lane == lane:
                frame = recording.read_frame(entry)
                read += zip(frame.seqs, frame.facts(), strict=True)
        assert read == [(seq, fact) for seq, fact in enumerate(written, 1) if lane_of(fact) == lane]


def test_header_labels_and_footer_come_back(tmp_path):
    with RecordingWriter(tmp_path / "a.wkr", HEADER) as writer:
        for fact in mixed(12):
            writer.write(fact)
        for label in LABELS:
            writer.label(label)
        writer.source_rows = 7
    recording = Recording(tmp_path / "a.wkr")
    assert recording.footer == writer.footer
    assert recording.header == HEADER
    assert [*recording.labels()] == [LABELS[0], LABELS[2]]
    assert [*recording.episode_labels()] == [LABELS[1]]
    footer = recording.footer
    assert (footer.facts, footer.labels, footer.source_rows) == (12, 3, 7)
    assert (footer.first_at_us, footer.last_at_us, footer.in_time_order) == (0, 11, True)
    assert footer.label_kinds == {"episode": 1, "truth": 1, "verdict": 1}
    assert sum(footer.kinds.values()) == 12


def test_more_labels_than_a_frame_holds(tmp_path):
    labels = [msgspec.structs.replace(LABELS[0], proposal_id=f"p-{n}") for n in range(GROUP_FACTS + 3)]
    recording = Recording(write(tmp_path / "a.wkr", mixed(3), labels))
    assert len(recording.footer.label_frames) == 2
    assert [*recording.labels()] == labels
    recording.verify()


def test_nothing_at_all_is_a_recording(tmp_path):
    recording = Recording(write(tmp_path / "a.wkr", []))
    assert [*recording.facts()] == []
    assert (recording.footer.first_at_us, recording.footer.last_at_us) == (None, None)


def test_a_clock_set_back_is_noted(tmp_path):
    facts = [f.EpisodeClosed(at_us=at_us, episode="e") for at_us in (5, 9, 7)]
    footer = Recording(write(tmp_path / "a.wkr", facts)).footer
    assert (footer.in_time_order, footer.first_at_us, footer.last_at_us) == (False, 5, 9)


def test_the_same_facts_give_the_same_bytes(tmp_path):
    one, two = tmp_path / "one.wkr", tmp_path / "two.wkr"
    assert write(one, mixed(500), LABELS).read_bytes() == write(two, mixed(500), LABELS).read_bytes()


def test_the_content_hash_covers_what_a_replay_depends_on(tmp_path):
    with_labels = Recording(write(tmp_path / "a.wkr", mixed(50), LABELS)).footer
    without = Recording(write(tmp_path / "b.wkr", mixed(50))).footer
    assert with_labels.content_sha256 == without.content_sha256
    renamed = msgspec.structs.replace(HEADER, source="other", notes=())
    assert Recording(write(tmp_path / "d.wkr", mixed(50), header=renamed)).footer.content_sha256 == (
        without.content_sha256
    )
    learnt = msgspec.structs.replace(HEADER, actions=())
    assert Recording(write(tmp_path / "e.wkr", mixed(50), header=learnt)).footer.content_sha256 != (
        without.content_sha256
    )
    other = Recording(write(tmp_path / "c.wkr", mixed(51))).footer
    assert other.content_sha256 != without.content_sha256


def test_a_recording_travels_to_another_process(tmp_path):
    recording = Recording(write(tmp_path / "a.wkr", mixed(100), LABELS))
    twin = pickle.loads(pickle.dumps(recording))
    assert [*twin.facts()] == [*recording.facts()]
    assert twin.frames == recording.frames


@pytest.mark.skipif(shutil.which("zstdcat") is None, reason="the zstd command is not installed")
def test_the_zstd_command_shows_everything(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(40), LABELS)
    shown = subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout.splitlines()
    lines = [msgspec.json.decode(line) for line in shown]
    assert lines[0]["watchkeeper_recording"] == 1
    assert sum("fact" in line for line in lines) == 40
    assert sum("label" in line for line in lines) == 3
    assert lines[-1]["facts"] == 40


def test_reading_twice_gives_the_same(tmp_path):
    path = write(tmp_path / "a.wkr", mixed(40), LABELS)
    assert content(path) == content(path)
