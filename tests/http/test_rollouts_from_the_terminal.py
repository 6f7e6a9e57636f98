"""Rollouts from the terminal: the commands, against a real engine at its socket."""

import asyncio
import json

import pytest

from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.facts import decode, encode
from engine.core.vocabulary.rollouts import RolloutPlan
from engine.ports import Entry
from engine.wiring import SHIPPED_POLICY
from simulator.rederive import rederive
from tests.cli.running import here
from tests.courses import NEW, Course

# A rollout from its first step to its last, whose lines the importer's tests measure on shorter ways.
WHOLE = pytest.mark.unmeasured


@pytest.fixture
def terminal(place, monkeypatch):
    """Run a command beside the engine, as a captain, and return what came of it."""
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    monkeypatch.setenv("WATCHKEEPER_TOKEN", place.token["cat"])

    async def run(*words):
        return await asyncio.to_thread(here, *words)

    return run


@pytest.mark.asyncio
async def test_a_promotion_without_evidence_says_what_is_missing_and_ends_with_1(place, terminal):
    async with place.engine():
        result = await terminal("canary", "promote", "heal@2", "--reason", "it looks good")
        assert result.exit_code == 1
        assert result.output.startswith("refused: heal@2 stays in unproven: it must show in a replay")
        assert "MISS  decisions replayed: 0, needed 200" in result.output
        named = await terminal("canary", "promote", "heal", "--reason", "x")
        assert named.exit_code == 2
        assert "name the version too" in named.output + named.stderr


@pytest.mark.asyncio
async def test_the_answer_to_a_promotion_warns_of_arms_that_cannot_be_compared(place, terminal):
    by_host = {"by_name": {"heal": RolloutPlan(unit="argument:service")}}
    async with place.engine(**by_host):
        said = (await terminal("canary", "promote", "heal@2", "--reason", "it is time")).output
    assert "WARNING: the arm is drawn for each service, not for each episode" in said


@pytest.mark.asyncio
async def test_status_pause_resume_abort_and_history_tell_one_story(place, terminal):
    async with place.engine():
        assert "heal: heal@1 is live" in (await terminal("canary", "status")).output
        assert (await terminal("canary", "pause", "heal", "--reason", "a sale")).exit_code == 0
        assert "PAUSED by cat: a sale" in (await terminal("canary", "status", "heal")).output
        wrong = await terminal("canary", "resume", "heal", "--reason", "another")
        assert wrong.exit_code == 2
        assert (await terminal("canary", "resume", "heal")).output == "heal goes on\n"
        done = await terminal("canary", "abort", "heal", "--reason", "it errs")
        assert done.output == "heal@1 went from live to rolled_back\n"
        shown = json.loads((await terminal("canary", "status", "--json")).output)
        assert [each["live"] for each in shown] == []
    history = await terminal("canary", "history", "heal")
    said = " ".join(history.output.split())
    assert "heal@1 live → rolled_back cat it errs" in said
    assert "heal rollout paused cat a sale" in said
    assert "never had a rollout" in (await terminal("canary", "history", "other")).output


@pytest.mark.asyncio
async def test_what_nobody_knows_is_refused_in_a_line(place, terminal):
    async with place.engine():
        for words in (("canary", "status", "nobody"), ("shadow", "report", "nobody")):
            result = await terminal(*words)
            assert result.exit_code == 2
            assert "no such capability" in result.output + result.stderr


@pytest.mark.asyncio
async def test_what_has_no_authority_cannot_lose_it_and_that_leaves_no_trace(place, terminal):
    async with place.engine():
        result = await terminal("canary", "abort", "haul", "--reason", "it errs")
        assert result.exit_code == 2
        assert "it has no rollout and nothing live" in result.output + result.stderr
    assert "never had a rollout" in (await terminal("canary", "history", "haul")).output


@pytest.mark.asyncio
async def test_pausing_what_nobody_knows_yet_says_that_nothing_is_held_so_far(place, terminal):
    async with place.engine():
        said = (await terminal("canary", "pause", "haul", "--reason", "a sale")).output
        assert said.splitlines() == [
            "haul is paused: a sale",
            "no version of haul is live or on its way: it is held from when one is",
        ]
        assert "PAUSED by cat: a sale" in (await terminal("canary", "status", "haul")).output


@pytest.mark.asyncio
async def test_a_plan_is_said_in_words(place, terminal):
    said = (await terminal("rollout", "plan", "heal")).output
    assert "canary_1  1% of episodes" in said
    assert "failing 4 times as often is ruled out; then canary_10" in said
    assert "replay    at least 200 of its decisions" in said
    assert json.loads((await terminal("rollout", "plan", "heal", "--json")).output)["alpha"] == 0.05


@pytest.mark.asyncio
async def test_a_plan_is_the_one_of_the_engine_that_runs_whatever_folder_that_has(place, terminal):
    async with place.engine(by_name={"heal": RolloutPlan(shadow_episodes=7)}):
        assert ", 7 episodes," in (await terminal("rollout", "plan", "heal")).output
        assert "heal: heal@1 is established" in (await terminal("rollout", "plan", "heal@2")).output
        shipped = (await terminal("rollout", "plan", "heal", "--policy", str(SHIPPED_POLICY))).output
        assert "heal: nothing is established" in shipped
        assert ", 100 episodes," in shipped


@pytest.mark.asyncio
async def test_a_configuration_of_ones_own_is_made_once(place, terminal):
    assert (await terminal("policy", "init")).exit_code == 0
    assert (place.layout.home / "config" / "policies" / "rollouts.yaml").exists()
    again = await terminal("policy", "init")
    assert again.exit_code == 2
    assert "there is a configuration already" in again.output + again.stderr


@pytest.fixture(scope="module")
def journal():
    """A journal of a whole rollout, and more of it after a rollback."""
    course = Course().to("live")
    course.abort()
    return course.journal


@WHOLE
def test_every_step_of_a_journal_is_worked_out_again(journal):
    again = rederive(journal)
    assert again.recorded == again.rederived > 8
    assert again.difference == ""
    assert str(again) == f"transitions: {again.recorded} recorded, {again.recorded} re-derived byte for byte"


def rewritten(journal, change, into=None):
    """Write a whole chain anew, with some records changed or left out."""
    copy = into if into is not None else MemoryJournal()
    kept = [(record.key, change(record)) for record in journal.read()]
    copy.append([Entry(key, body) for key, body in kept if body is not None])
    return copy


def edited(record):
    fact = decode(record.body)
    if type(fact).__name__ == "StageChanged" and fact.now == "canary_10":
        return record.body.replace(b'"by":"ann"', b'"by":"eve"')
    return record.body


def test_a_step_edited_in_a_copy_is_found_though_its_chain_is_whole(journal):
    copy = rewritten(journal, edited)
    copy.verify()
    again = rederive(copy)
    assert again.rederived == again.recorded - 1
    assert "StageChanged says something else than what follows" in again.difference


def test_a_step_that_was_taken_out_or_put_in_is_found(journal):
    def without(record):
        return None if b'"now":"canary_50"' in record.body else record.body

    assert rederive(rewritten(journal, without)).difference
    course = Course().to("shadow")
    (step,) = [record for record in journal.read() if b'"now":"canary_1"' in record.body]
    copy = rewritten(course.journal, lambda record: record.body)
    copy.append([Entry("smuggled", encode(decode(step.body)))])
    assert "does not follow from the facts before it" in rederive(copy).difference


@WHOLE
def test_replaying_an_edited_journal_ends_with_1(journal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    for name, change in (("whole.db", lambda record: record.body), ("edited.db", edited)):
        copy = SqliteJournal(tmp_path / name)
        rewritten(journal, change, copy)
        copy.close()
    whole = here("replay", "journal:whole.db")
    assert whole.exit_code == 0, whole.output
    assert "re-derived byte for byte" in whole.output
    other = here("replay", "journal:edited.db")
    assert other.exit_code == 1
    assert "says something else than what follows" in other.output
    assert NEW == "heal@2"
