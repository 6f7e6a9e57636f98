"""The whole service wakes somebody: a held decision rings a phone, and what is pressed there counts."""

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary import facts as f
from simulator.fakes.fake_twilio import FakeTwilio, Phone
from tests.fence.stopping import until
from tests.patience import PATIENCE_S
from tests.service.services import Service

pytestmark = pytest.mark.long

ADA, BEN = "+4915112345678", "+4915112345679"


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def with_phones(folder: Path, fake: FakeTwilio, **ladder: Any) -> Service:
    """A service whose people have phones, and a ladder of two rungs that rings them."""
    port = free_port()
    running = Service(folder, http__port=port)
    fake.account.sms_url = f"http://127.0.0.1:{port}/v1/twilio/sms"
    write(
        running.config / "people.yaml",
        {
            "people": {
                "ada": {"role": "responder", "zone": "Europe/Berlin", "phone": ADA},
                "ben": {"role": "captain", "zone": "America/New_York", "phone": BEN},
            }
        },
    )
    write(
        running.config / "ladders.yaml",
        {
            "ladders": {
                "phones": {
                    "rounds": 2,
                    "rungs": [
                        {"to": ["ada"], "by": ["call"], "wait_s": 2},
                        {"to": ["ben"], "by": ["call", "sms"], "wait_s": 600},
                    ],
                }
                | ladder
            },
            "otherwise": "phones",
        },
    )
    write(
        running.config / "channels.yaml",
        {
            "public_url": f"http://127.0.0.1:{port}",
            "twilio": {
                "account_sid": fake.account_sid,
                "from_number": fake.account.number,
                "base_url": fake.base_url,
            },
        },
    )
    running.layout.channels.mkdir(parents=True)
    token = running.layout.channels / "twilio-token"
    token.write_text(fake.auth_token)
    token.chmod(0o600)
    return running


def write(path: Path, content: Any) -> None:
    """JSON is YAML."""
    path.write_text(json.dumps(content, indent=1))


def ask_for_a_person(running: Service, **more: Any) -> str:
    """Propose what is too uncertain to go ahead; returns the decision."""
    said = running.propose("note.put", {"name": "x", "pause_s": 0}, confidence=0.3, **more).json()
    assert said["word"] == "hold", said
    return str(said["decision_id"])


async def soon(true: Any, running: Service) -> None:
    assert await asyncio.to_thread(until, true, within_s=PATIENCE_S), (
        running.output.read_text(),
        running.facts(f.Fact)[-20:],
    )


def played(tmp_path: Path, play: Any, **ladder: Any) -> None:
    """Run a scenario beside a fake Twilio, and leave nothing behind."""

    async def whole() -> None:
        fake = FakeTwilio()
        await fake.start()
        running = with_phones(tmp_path, fake, **ladder)
        try:
            await asyncio.to_thread(running.start)
            await play(running, fake)
            assert await asyncio.to_thread(running.stop) == 0
        finally:
            await asyncio.to_thread(running.end)
            await fake.close()
        assert fake.problems() == ()

    asyncio.run(whole())


def test_a_call_is_approved_by_key_and_the_effect_runs(tmp_path):
    async def play(running: Service, fake: FakeTwilio) -> None:
        fake.phone(ADA, Phone(answers="person", keys=("1", "2")))
        decision = await asyncio.to_thread(ask_for_a_person, running)
        await soon(lambda: running.status(decision) == "done", running)
        (call,) = fake.calls(ADA)
        assert "put by coder waits for a responder" in " ".join(call.heard)
        assert fake.calls(BEN) == []
        (end,) = running.facts(f.HoldEnded)
        assert (end.how, end.by) == ("approved", ("ada",))
        (taken,) = running.facts(e.EscalationAcknowledged)
        assert (taken.by, taken.via) == ("ada", "call")
        await soon(lambda: running.facts(e.EscalationEnded), running)

    played(tmp_path, play)


def test_voicemail_wakes_nobody_so_the_next_one_is_rung_who_answers_by_sms(tmp_path):
    async def play(running: Service, fake: FakeTwilio) -> None:
        fake.phone(ADA, Phone(answers="voicemail"))
        fake.phone(BEN, Phone(answers="nobody"))
        decision = await asyncio.to_thread(ask_for_a_person, running)
        await soon(lambda: fake.texts(BEN), running)
        assert running.facts(e.EscalationAcknowledged) == []
        (text,) = fake.texts(BEN)
        assert len(text.body) <= 160
        (raised,) = running.facts(e.EscalationRaised)
        said = await fake.write(BEN, f"{raised.code} no")
        assert said
        await soon(lambda: running.status(decision) == "denied", running)

    played(tmp_path, play)


def test_a_written_word_stops_everything_with_the_engine_standing_still(tmp_path):
    async def play(running: Service, fake: FakeTwilio) -> None:
        await asyncio.to_thread(ask_for_a_person, running)
        await soon(lambda: fake.calls(ADA), running)
        (raised,) = running.facts(e.EscalationRaised)
        await asyncio.to_thread(running.send, signal.SIGSTOP, "engine")
        assert "Not understood" in await fake.write(ADA, "please make it end")
        assert await fake.write(ADA, f"{raised.code} KILL") == "All autonomy is stopped."
        await soon(lambda: any(running.layout.stops.iterdir()), running)
        await asyncio.to_thread(running.send, signal.SIGCONT, "engine")
        await soon(lambda: running.facts(f.KillSwitchSet), running)
        assert [stop.by for stop in running.facts(f.KillSwitchSet)] == ["ada"]

    played(tmp_path, play)


@pytest.mark.parametrize("victim", ["engine", "pager", "both"])
def test_who_is_killed_while_it_rings_forgets_nobody(tmp_path, victim):
    async def play(running: Service, fake: FakeTwilio) -> None:
        await asyncio.to_thread(ask_for_a_person, running)
        await soon(lambda: fake.calls(ADA), running)
        names = ["engine", "pager"] if victim == "both" else [victim]
        await asyncio.to_thread(running.send, signal.SIGKILL, *names)
        await soon(lambda: fake.calls(BEN) and fake.texts(BEN), running)
        # One page at most more than the ladder asked for: what nobody had reported on is sent again.
        assert len(fake.calls(ADA)) <= 2
        assert len(fake.calls(BEN)) + len(fake.texts(BEN)) <= 3

    played(tmp_path, play)


def test_with_twilio_down_it_is_rung_when_it_is_back(tmp_path):
    async def play(running: Service, fake: FakeTwilio) -> None:
        await fake.go_down()
        await asyncio.to_thread(ask_for_a_person, running)
        await soon(lambda: running.facts(e.NotificationReported), running)
        assert running.facts(e.NotificationReported)[0].kind == "broken"
        fake.phone(ADA, Phone(answers="person", keys=("1",)))
        await fake.start()
        await soon(lambda: running.facts(e.EscalationAcknowledged), running)

    played(tmp_path, play, rounds=20)
