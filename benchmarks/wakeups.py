"""Wake-ups: a thousand escalations at once, for two hundred people, until Twilio has read each request.

    python -m benchmarks.wakeups [--count N] [--rounds N] [--dir DIR]

A whole service, with supervisor, engine and pager in processes of their own, and a fake Twilio in another;
they share the machine's cores with this process, which raises all escalations in one moment over the engine's
socket. Each is timed from the moment that its facts bear, which is before they are on disk, to the first byte
of its request at Twilio. The last line is the floor: the same calls, asked of the channel itself in one
process, with no engine and no journal. Percentiles are in milliseconds; aim: p99 250 ms.
"""

import argparse
import asyncio
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.call_burst import burst
from benchmarks.call_burst import fake as plain_fake
from benchmarks.live import percentiles
from engine.runtime.client import EngineClient
from engine.runtime.wire_escalations import AnswerEscalation, EscalationAnswer, RaiseEscalation
from engine.settings.twilio import TwilioSection
from notifiers.call import CallChannel
from notifiers.twilio_client import TwilioClient
from simulator.fakes.fake_twilio import FakeTwilio
from tests.fence.stopping import until
from tests.service.services import Service
from tests.service.test_wakeups import free_port, write

_AIM_MS: Final = 250.0
_PEOPLE: Final = 200
_NAMED: Final = re.compile(r"/v1/twilio/(e_[0-9a-f]+)\.\d+/")


def fake(pipe: Connection) -> None:
    """Run a fake until told to end; gives the time of each call by its escalation when asked."""

    async def serve() -> None:
        twilio = FakeTwilio(plays_phones=False)
        await twilio.start()
        pipe.send((twilio.base_url, twilio.account_sid, twilio.auth_token, twilio.account.number))
        while await asyncio.to_thread(pipe.recv):
            offset_s = time.time() - time.monotonic()
            found = {}
            for asked in twilio.requests:
                named = _NAMED.search(dict(asked.form()).get("Url", ""))
                if named is not None:
                    found.setdefault(named[1], asked.at_s + offset_s)
            pipe.send(found)
        await twilio.close()

    uvloop.run(serve())


def begun(serve: Callable[[Connection], None]) -> tuple[Connection, tuple[str, str, str, str]]:
    """Begin a fake in a process of its own, and return the way to it and what it goes by."""
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True).start()
    return ours, ours.recv()


def with_people(folder: Path, twilio: tuple[str, str, str, str]) -> Service:
    """Make a service in which each of many people has a ladder of their own."""
    base_url, sid, token, number = twilio
    port = free_port()
    running = Service(folder, http__port=port)
    people = {
        f"p{nth}": {"role": "responder", "zone": "UTC", "phone": f"+49151{nth:08d}"} for nth in range(_PEOPLE)
    }
    ladders = {
        name: {"rounds": 1, "rungs": [{"to": [name], "by": ["call"], "wait_s": 3600}]} for name in people
    }
    write(running.config / "people.yaml", {"people": people})
    write(
        running.config / "ladders.yaml",
        {
            "ladders": ladders,
            "otherwise": "p0",
            "grouping": {"settle_s": 1, "storm": {"more_than": 100_000, "within_s": 60}},
        },
    )
    write(
        running.config / "channels.yaml",
        {
            "public_url": f"http://127.0.0.1:{port}",
            "twilio": {
                "account_sid": sid,
                "from_number": number,
                "base_url": base_url,
                "timeout_s": 30.0,
            },
        },
    )
    running.layout.channels.mkdir(parents=True)
    secret = running.layout.channels / "twilio-token"
    secret.write_text(token)
    secret.chmod(0o600)
    return running


async def one_round(running: Service, pipe: Connection, count: int, nth: int) -> list[float]:
    """Raise them all, and return the seconds from each to its call."""
    client = EngineClient(running.layout.socket, timeout_s=60.0)
    asked = [
        RaiseEscalation(
            key=f"request:{nth}:{each}",
            kind="request",
            severity="critical",
            summary="Restart all of the payment service?",
            evidence=("Confidence 62 %, wanted 70 %",),
            by="bench",
            ladder=f"p{each % _PEOPLE}",
        )
        for each in range(count)
    ]
    said = await asyncio.gather(*(client.ask(each) for each in asked))
    raised = [each.escalation for each in said if isinstance(each, EscalationAnswer) and each.escalation]
    names = {each.escalation_id: each.raised_us / 1e6 for each in raised}
    found: dict[str, float] = {}

    def rung() -> bool:
        pipe.send(True)
        found.update(pipe.recv())
        return names.keys() <= found.keys()

    assert await asyncio.to_thread(until, rung, within_s=60)
    over = (
        AnswerEscalation(escalation=name, word="cancel", by="p0", role="captain", via="bench")
        for name in names
    )
    await asyncio.gather(*(client.ask(each) for each in over))
    await client.close()
    return [found[name] - at_s for name, at_s in names.items()]


async def floor() -> list[float]:
    """Ask the channel itself for a thousand calls."""
    pipe, (base_url, sid, token, number) = await asyncio.to_thread(begun, plain_fake)
    section = TwilioSection(account_sid=sid, from_number=number, base_url=base_url, timeout_s=30.0)
    channel = CallChannel(TwilioClient(section, token=token), public_url="https://wk.example.org")
    await burst(channel, pipe)
    took = [each / 1000 for each in await burst(channel, pipe)]
    await channel.close()
    pipe.send(False)
    return took


def main() -> None:
    """Measure, and print each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None)
    given = parser.parse_args()
    pipe, twilio = begun(fake)
    with tempfile.TemporaryDirectory(dir=given.dir) as folder:
        running = with_people(Path(folder), twilio)
        try:
            running.start()
            print(f"{given.count:,} escalations at once, to their calls at Twilio (aim: p99 {_AIM_MS:g} ms)")
            for nth in range(1, given.rounds + 1):
                took = uvloop.run(one_round(running, pipe, given.count, nth))
                print(f"  round {nth}: {percentiles(took)}")
            running.stop()
        finally:
            running.end()
    print(f"  floor:   {percentiles(uvloop.run(floor()))}")
    pipe.send(False)


if __name__ == "__main__":
    main()
