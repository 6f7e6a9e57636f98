"""Rollouts of a journal in a recording: steps are worked out again there too, and an edited one is found."""

from __future__ import annotations

import msgspec
import pytest

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary import facts as f
from engine.ports import Entry
from simulator.importers import import_source
from simulator.recording import Header, Origin, Recording, RecordingWriter
from simulator.rederive import rederive, rederive_recording
from tests.cli.running import here
from tests.courses import MINUTE_US, QUICK, Course


@pytest.fixture(scope="module")
def course():
    """A rollout with a refusal, a pause by the engine, a stop and an abort, undone where it can be."""
    course = Course(msgspec.structs.replace(QUICK, undo_on_rollback=True)).to("canary_10")
    course.ask()
    while True:
        verdict = course.propose(f"mixed-{course.serial}")
        if verdict.shadowed:
            course.outcome(verdict, ok=True, by="executor")
            break
    course.resume(next(iter(course.loop.state.rollouts.paused["heal"])))
    course.stop("capability", "heal")
    course.unstop("capability", "heal")
    course.ended(next(each for n in range(2000) if not (each := course.propose(f"mine-{n}")).shadowed))
    course.later(MINUTE_US)
    course.abort()
    return course


@pytest.fixture(scope="module")
def recording(course, tmp_path_factory):
    """The recording of that journal, made as people make it."""
    folder = tmp_path_factory.mktemp("steps")
    journal = SqliteJournal(folder / "j.db")
    journal.append([Entry(record.key, record.body) for record in course.journal.read()])
    journal.close()
    import_source("journal", folder / "j.db", folder / "j.wkr")
    return Recording(folder / "j.wkr")


def rewritten(recording, path, *, step=lambda each: each, fact=lambda each: each):
    """A whole recording, with steps or facts of it changed or left out."""
    with RecordingWriter(path, recording.header) as out:
        for _, told in recording.facts():
            out.write(fact(told))
        for each in recording.steps():
            if (kept := step(each)) is not None:
                out.label(kept)
    again = Recording(path)
    again.verify()
    return again


def test_every_step_comes_out_as_in_the_journal_itself(course, recording):
    assert recording.header.watchkeeper_recording == 2
    of_journal = rederive(course.journal)
    assert of_journal.recorded == of_journal.rederived > 8
    assert rederive_recording(recording) == of_journal


def edit(old, new):
    def changed(each):
        body = bytes(each.fact)
        return msgspec.structs.replace(each, fact=msgspec.Raw(body.replace(old, new)))

    return changed


@pytest.mark.parametrize(
    ("step", "found"),
    [
        (edit(b'"reason":"it is time"', b'"reason":"it is not"'), "says something else than what follows"),
        (edit(b'"canary":[9,', b'"canary":[8,'), "says something else than what follows"),
        (lambda each: None if b'"now":"canary_10"' in bytes(each.fact) else each, "is missing"),
    ],
    ids=["a reason edited", "a count edited", "taken out"],
)
def test_an_edited_step_is_found_though_the_recording_is_whole(recording, tmp_path, step, found):
    again = rederive_recording(rewritten(recording, tmp_path / "edited.wkr", step=step))
    assert found in again.difference
    assert again.rederived < rederive_recording(recording).rederived


def test_a_step_that_was_put_in_is_found(recording, tmp_path):
    (step,) = [each for each in recording.steps() if b'"now":"canary_1"' in bytes(each.fact)]

    def twice(each):
        return (
            msgspec.structs.replace(step, after=each.after)
            if b"promotion_ready" in bytes(each.fact)
            else each
        )

    assert rederive_recording(rewritten(recording, tmp_path / "more.wkr", step=twice)).difference


def test_a_fact_that_was_edited_is_found_by_the_steps_that_no_longer_follow(recording, tmp_path):
    def failed(told):
        own = isinstance(told, f.OutcomeReported) and told.by == "executor"
        return msgspec.structs.replace(told, ok=False) if own else told

    assert rederive_recording(rewritten(recording, tmp_path / "bad.wkr", fact=failed)).difference


def test_a_replay_of_a_recording_says_what_was_worked_out_again_and_ends_with_1_when_it_differs(
    recording, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    whole = here("replay", recording.path)
    assert whole.exit_code == 0, whole.output
    assert str(rederive_recording(recording)) in whole.output
    rewritten(recording, tmp_path / "edited.wkr", step=edit(b'"it is time"', b'"it is not"'))
    other = here("replay", "edited.wkr")
    assert other.exit_code == 1
    assert "says something else than what follows" in other.output


def test_a_recording_without_rollouts_is_of_version_1_and_says_nothing_of_steps(tmp_path):
    journal = SqliteJournal(tmp_path / "j.db")
    journal.append([Entry("k", f.encode(f.EpisodeClosed(at_us=1, episode="e")))])
    journal.close()
    import_source("journal", tmp_path / "j.db", tmp_path / "a.wkr")
    recording = Recording(tmp_path / "a.wkr")
    assert (recording.header.watchkeeper_recording, recording.has_steps) == (1, False)
    assert [*recording.steps()] == []


def test_a_step_of_a_newer_watchkeeper_is_named(tmp_path):
    from engine.errors import RecordingError
    from simulator.recording import RecordedStep

    header = Header(watchkeeper_recording=2, source="journal", origin=Origin(name="j"))
    with RecordingWriter(tmp_path / "a.wkr", header) as out:
        out.label(RecordedStep(after=0, seq=7, follows=True, fact=msgspec.Raw(b'{"fact":"future"}')))
    with pytest.raises(
        RecordingError, match=r"a\.wkr: journal record 7.*step cannot be read.*future|step cannot"
    ):
        rederive_recording(Recording(tmp_path / "a.wkr"))
