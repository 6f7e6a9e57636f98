"""A live engine decides, durably, once for each proposal, whoever asks how often."""

import asyncio
import socket

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import (
    EffectStarted,
    OutcomeReported,
    ProposalReceived,
    VerdictReached,
    decode,
)
from engine.errors import Forbidden, InputError, JournalError, Unreachable
from engine.runtime import wire
from engine.runtime.client import EngineClient
from tests.live.engines import asked, engine, performing
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


def journaled(home):
    with SqliteReader(home / "journal.db") as reader:
        reader.verify()
        return [decode(record.body) for record in reader.read()]


async def test_a_verdict_is_in_the_journal_when_it_is_answered(tmp_path):
    async with engine(tmp_path) as it:
        decided = await it.propose(capability="heal@2")
        verdicts = [fact.verdict for fact in journaled(tmp_path) if isinstance(fact, VerdictReached)]
    assert verdicts == [decided.verdict]
    assert (decided.verdict.word, decided.status) == ("allow", "shadowed")


async def test_files_that_arguments_name_count_though_the_agent_states_none(tmp_path):
    paths = {"paths": [f"f{number}" for number in range(11)]}
    async with engine(tmp_path) as it:
        decided = await it.propose(action="file.delete", args=paths, capability="heal@2")
        again = await it.propose(action="file.delete", args=paths, capability="heal@2")
    assert (decided.verdict.word, decided.verdict.impact.files) == ("deny", 11)
    assert again == decided, "asked again, it is the same proposal"


async def test_the_same_proposal_again_gets_the_verdict_it_has(tmp_path):
    async with engine(tmp_path) as it:
        first, second = await it.propose(), await it.propose()
        assert first == second
        assert sum(isinstance(fact, ProposalReceived) for fact in journaled(tmp_path)) == 1


async def test_another_proposal_under_a_known_id_is_refused_and_its_neighbours_are_not(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose(1)
        said = await asyncio.gather(
            it.propose(2),
            it.propose(1, args={"service": "other"}),
            it.propose(3),
            return_exceptions=True,
        )
    assert isinstance(said[1], JournalError)
    assert [said[0].verdict.word, said[2].verdict.word] == ["allow", "allow"]


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"action": "no.such"}, "denied"),
        ({"confidence": 0.1}, "held"),
        ({}, "queued"),
        ({"action": "service.restart"}, "granted"),
    ],
)
async def test_where_a_decision_stands(tmp_path, values, status):
    async with engine(tmp_path) as it:
        assert (await it.propose(**values)).status == status


async def test_what_waits_for_people_is_announced(tmp_path):
    async with engine(tmp_path) as it:
        decided = await it.propose(capability="heal@2", confidence=0.1)
        held = await it.propose(2, confidence=0.1)
    assert it.told.of("waiting") == [f"{held.verdict.decision_id} waits: the confidence is 10%, under 70%"], (
        f"{decided.verdict.decision_id} is in shadow, so nobody need be woken for it"
    )


async def test_an_agent_reports_what_came_of_what_it_was_granted(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose(action="service.restart")
        for _ in range(2):
            await it.ask(wire.ReportOutcome(proposal_id="p-1", agent="coder-1", ok=True, detail="up again"))
        (outcome,) = [fact for fact in journaled(tmp_path) if isinstance(fact, OutcomeReported)]
    assert (outcome.ok, outcome.by, outcome.detail) == (True, "executor", "up again")


@pytest.mark.parametrize(
    ("at_prompt", "status", "told"),
    [(False, "bypassed", ["coder-1 did cache.clear ({}), and nobody had allowed it"]), (True, "taken", [])],
)
async def test_what_was_done_while_it_was_held_waits_for_nobody_and_never_runs_again(
    tmp_path, at_prompt, status, told
):
    async with engine(tmp_path) as it:
        held = (await it.propose(confidence=0.1)).verdict.decision_id
        done = wire.ReportOutcome(proposal_id="p-1", agent="coder-1", ok=True, at_prompt=at_prompt)
        for _ in range(2):
            await it.ask(done)
        assert (await it.propose(confidence=0.1)).status == status
        said = await it.ask(wire.AnswerHold(decision_id=held, by="ann", role="captain", answer="approve"))
        assert (said.counted, said.status) == (False, status)
        veto = await it.ask(wire.Override(decision_id=held, by="cat", word="veto", reason="never"))
        assert "not ours to take back" in veto.reason
    assert it.told.of("bypass") == it.told.urgent == [text.format(held) for text in told]
    assert not [fact for fact in journaled(tmp_path) if isinstance(fact, EffectStarted)]


async def test_what_was_denied_and_done_is_told_and_what_is_in_shadow_is_not(tmp_path):
    async with engine(tmp_path) as it:
        denied = await it.propose(action="no.such")
        await it.propose(2, capability="heal@2", confidence=0.1)
        for number in (1, 2):
            await it.ask(wire.ReportOutcome(proposal_id=f"p-{number}", agent="coder-1", ok=True))
        assert (await it.propose(action="no.such")).status == "denied"
    (told,) = it.told.of("bypass")
    assert denied.verdict.decision_id in told


async def test_an_agent_cannot_report_for_another_or_for_the_engine(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        with pytest.raises(Forbidden):
            await it.ask(wire.ReportOutcome(proposal_id="p-1", agent="eve", ok=True))
        with pytest.raises(InputError, match="the engine performs it, and it is queued"):
            await it.ask(wire.ReportOutcome(proposal_id="p-1", agent="coder-1", ok=True))
        with pytest.raises(InputError, match="no such decision"):
            await it.ask(wire.ReportOutcome(proposal_id="p-9", agent="coder-1", ok=True))


async def test_subscribers_hear_every_record_in_order(tmp_path):
    async with engine(tmp_path) as it:
        heard = []

        async def hear():
            async for happened in it.client.subscribe():
                heard.append(happened)
                if len(heard) == 4:
                    return

        listening = asyncio.create_task(hear())
        await asyncio.sleep(0.05)
        await it.propose(1)
        await it.propose(2)
        await asyncio.wait_for(listening, PATIENCE_S)
    assert [happened.seq for happened in heard] == list(range(heard[0].seq, heard[0].seq + 4))
    assert [type(happened.fact).__name__ for happened in heard] == ["ProposalReceived", "VerdictReached"] * 2


async def test_a_restarted_engine_knows_what_it_decided(tmp_path):
    async with engine(tmp_path) as it:
        first = await it.propose()
    async with engine(tmp_path) as again:
        assert await again.propose() == first


async def test_many_at_once_share_commits_and_lose_nothing(tmp_path):
    async with engine(tmp_path):
        clients = [EngineClient(tmp_path / "engine.sock") for _ in range(8)]
        said = await asyncio.gather(
            *[
                client.ask(wire.Propose(proposal=asked(100 * n + i)))
                for n, client in enumerate(clients)
                for i in range(50)
            ]
        )
        assert len({answer.verdict.decision_id for answer in said}) == 400
        assert sum(isinstance(fact, VerdictReached) for fact in journaled(tmp_path)) == 400
        for client in clients:
            await client.close()


async def test_a_broken_line_is_answered_and_the_engine_goes_on(tmp_path):
    async with engine(tmp_path) as it:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "engine.sock")
        for line in (b"what?\n", b'[1,{"type":"Propose"}]\n', b'[2,{"type":"Beat","agent":"a"}]\n'):
            writer.write(line)
        answers = [wire.decode_answered(await reader.readline()) for _ in range(3)]
        writer.close()
        await writer.wait_closed()
        assert (await it.propose()).verdict.word == "allow"
    assert [type(answered.answer).__name__ for answered in answers] == ["Failed", "Failed", "Done"]


async def test_without_an_engine_the_client_says_so(tmp_path):
    client = EngineClient(tmp_path / "engine.sock")
    with pytest.raises(Unreachable, match="the engine does not answer"):
        await client.ask(wire.GetStatus())


async def test_an_engine_that_says_nothing_is_unreachable_in_time(tmp_path):
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(tmp_path / "engine.sock"))
    silent.listen()
    client = EngineClient(tmp_path / "engine.sock")
    with silent, pytest.raises(Unreachable, match="no answer within"):
        await client.ask(wire.GetStatus(), timeout_s=0.05)
    await client.close()


async def test_a_client_finds_an_engine_that_came_back(tmp_path):
    client = EngineClient(tmp_path / "engine.sock")
    async with engine(tmp_path):
        await client.ask(wire.GetStatus())
    with pytest.raises(Unreachable):
        await client.ask(wire.GetStatus())
    async with engine(tmp_path):
        assert isinstance(await client.ask(wire.GetStatus()), wire.EngineStatus)
        await client.close()


async def test_a_long_state_folder_is_no_obstacle(tmp_path):
    home = tmp_path / ("deep" * 20) / ("deeper" * 20)
    home.mkdir(parents=True)
    async with engine(home) as it:
        assert (await it.propose()).verdict.word == "allow"


async def test_the_status_counts_what_there_is(tmp_path):
    async with engine(tmp_path, performing()) as it:
        await it.propose(confidence=0.1)
        await it.ask(wire.Beat(agent="healer"))
        status = await it.ask(wire.GetStatus())
    assert (status.holds, status.queued, status.running, status.troubles) == (1, 0, 0, {})
    assert [seen.agent for seen in status.agents] == ["coder-1", "healer"]
    assert status.journal_seq == 3
