"""What people answer has consequences: the living agents against a real engine, at forty times the pace."""

import asyncio

import pytest

from engine.core.vocabulary.facts import Scope
from simulator.living.agents import Coder, Deployer, Healer, Shopper
from simulator.living.intruder import HOSTILE, Intruder
from simulator.world.chance import stream
from tests.living.towns import Settled, Town, alive, become

pytestmark = pytest.mark.asyncio


@pytest.fixture
def town(tmp_path):
    made = Town(tmp_path / "home")
    yield made
    made.close()


def healer(town, chance=None):
    return Healer(town.agent_client("healer-1"), town.fleet, chance or Settled())


def proposal(town, decision):
    """What was proposed, as the explanation has it."""
    with town.client() as client:
        return client.get(f"/v1/decisions/{decision['decision_id']}/explain").text


async def held(town, agent):
    """Wait for something of this agent that waits for people."""
    found = await become(lambda: town.decisions(agent, status="held"))
    return found[0]


def went_on(town, agent, before):
    """Whether more of an agent was decided than before. What waits for people is denied, so that it may."""
    for waits in town.decisions(agent, status="held"):
        town.say(f"decisions/{waits['decision_id']}/deny", reason="not now")
    return len(town.decisions(agent)) > before


async def test_an_approved_step_is_performed_and_the_trouble_is_gone(town):
    with town.served():
        town.fleet.rush("web")
        async with alive(healer(town)):
            waits = await held(town, "healer-1")
            assert waits["action"] == "file.edit"
            assert town.fleet.setting("web").copies == 2
            town.say(f"decisions/{waits['decision_id']}/approve", reason="do it")
            await become(lambda: town.fleet.setting("web").copies == 4)
            assert town.fleet.troubles() == []


async def test_a_denied_step_is_explained_to_the_agent_which_then_asks_for_less(town):
    with town.served():
        town.fleet.rush("web")
        async with alive(healer(town)):
            first = await held(town, "healer-1")
            town.say(f"decisions/{first['decision_id']}/deny", reason="too much for a tuesday")
            second = (
                await become(
                    lambda: [
                        each
                        for each in town.decisions("healer-1", status="held")
                        if each["decision_id"] != first["decision_id"]
                    ]
                )
            )[0]
            assert "copies = 3" in proposal(town, second)
            assert town.fleet.setting("web").copies == 2


async def test_a_question_is_answered_while_it_waits(town):
    with town.served():
        town.fleet.rush("web")
        async with alive(healer(town)):
            waits = await held(town, "healer-1")
            town.say(f"decisions/{waits['decision_id']}/questions", question="why two more?")

            def answered():
                with town.client() as client:
                    found = client.get(f"/v1/decisions/{waits['decision_id']}").json()["questions"]
                return found and found[0]["answer"]

            assert "400 is too much" in await become(answered)


async def test_a_veto_takes_a_restart_back(town):
    with town.served():
        town.fleet.hang("mail")
        agent = healer(town)
        # It watches for a minute whether a veto comes: at forty times the pace a slow machine would miss it.
        agent.client.rate = 1.0
        async with alive(agent):
            done = (await become(lambda: town.decisions("healer-1", action="service.restart")))[0]
            await become(lambda: town.fleet.troubles() == [])
            town.say(f"decisions/{done['decision_id']}/override", word="veto", reason="not today")
            await become(lambda: [each.kind for each in town.fleet.troubles()] == ["stuck"])


async def test_a_stop_silences_them_and_a_resume_lets_them_speak(town):
    with town.served():
        agent = Coder(town.agent_client("coder-1"), town.fleet, stream(1, "coder"), town.service.workspace)
        async with alive(agent):
            await become(lambda: went_on(town, "coder-1", 1))
            town.say("kill", scope="all", reason="a drill")
            await asyncio.sleep(1.0)
            before = len(town.decisions("coder-1"))
            await asyncio.sleep(2.0)
            assert len(town.decisions("coder-1")) == before
            town.say("resume", scope="all", reason="over")
            await become(lambda: went_on(town, "coder-1", before))


async def test_a_canary_waits_for_people_and_then_the_whole_follows(town):
    with town.served():
        agent = Deployer(town.agent_client("deployer-1"), town.fleet, Settled())
        async with alive(agent):
            waits = await held(town, "deployer-1")
            assert "42-canary" in proposal(town, waits)
            town.say(f"decisions/{waits['decision_id']}/approve", reason="go")
            await become(lambda: town.fleet.setting("billing").version == "42")


async def test_money_runs_out_and_then_people_are_asked(town):
    with town.served():
        agent = Shopper(town.agent_client("shopper-1"), town.fleet, stream(1, "shopper"))
        async with alive(agent):
            waits = await held(town, "shopper-1")
            assert waits["action"] == "payment.send"
            denied = town.decisions("shopper-1", status="denied")
            assert {each["rule"] for each in denied[0]["reasons"]} <= {
                "limits.cost_per_5_minutes_and_agent",
                "limits.cost_per_5_minutes",
            }
            town.say(f"decisions/{waits['decision_id']}/approve", reason="we need it")

            def paid():
                found = town.decisions("shopper-1", action="payment.send", status="granted")
                return found and found[0]["outcome"]

            await become(paid)


async def test_the_one_that_misbehaves_runs_into_everything_and_somebody_is_woken(town):
    with town.served():
        agent = Intruder(town.agent_client("crawler-1"), town.fleet, stream(1, "crawler"))
        async with alive(agent):
            waits = await become(lambda: town.decisions("crawler-1", action="payment.send", status="held"))
            gates = {
                each["gate"]
                for decision in town.decisions("crawler-1", word="deny")
                for each in decision["reasons"]
            }
            assert {"breaker", "limits", "risk", "validation"} <= gates

            def woken():
                with town.client() as client:
                    found = client.get("/v1/escalations").json()["escalations"]
                return [each for each in found if each["severity"] == "critical"]

            # What belongs to one episode wakes once.
            (escalation,) = await become(woken)
            assert escalation["about"] in {
                each["decision_id"] for each in town.decisions("crawler-1", word="hold")
            }
            assert HOSTILE.split("<", maxsplit=1)[0] in proposal(town, waits[0])


async def test_they_come_back_when_engine_and_front_do(town):
    agent = Coder(town.agent_client("coder-1"), town.fleet, stream(1, "coder"), town.service.workspace)
    async with alive(agent):
        with town.served():
            await become(lambda: town.decisions("coder-1"))
            before = len(town.decisions("coder-1"))
        await asyncio.sleep(1.0)
        with town.served():
            await become(lambda: went_on(town, "coder-1", before))


async def test_a_fleet_wide_stop_of_one_agent_leaves_the_others_alone(town):
    with town.served():
        town.say("kill", scope="agent:coder-1", reason="a drill")
        assert Scope("agent", "coder-1") in {stop.scope for stop in town.fence.stops()}
        silent = Coder(town.agent_client("coder-1"), town.fleet, stream(1, "coder"), town.service.workspace)
        town.fleet.rush("web")
        async with alive(silent, healer(town)):
            await held(town, "healer-1")
            assert town.decisions("coder-1") == []
