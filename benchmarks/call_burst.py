"""A thousand people are called at once: how long until Twilio has read each request.

From asking the channel to the first byte of each request at a fake Twilio in a process of its own, by one
clock. The goal is 250 ms for 99 of 100; httpx's own pool takes seconds (notifiers/quick_http.py says why).
"""

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection

import uvloop

from engine.settings.twilio import TwilioSection
from notifiers.call import CallChannel
from notifiers.channel import Choice, Message
from notifiers.twilio_client import TwilioClient
from simulator.fakes.fake_twilio import FakeTwilio

CALLS = 1000
ROUNDS = 5
GOAL_MS = 250.0


def message(nth: int) -> Message:
    """One notification of many, as long as they are."""
    return Message(
        notification_id=f"e_{nth:015x}.1",
        escalation_id=f"e_{nth:015x}",
        attempt=1,
        person=f"person-{nth}",
        address=f"+49151{nth:08d}",
        purpose="wake",
        severity="critical",
        code="4711",
        title="Restart all of the payment service?",
        lines=("Confidence 62 %, wanted 70 %", "Denied at the deadline"),
        sent_us=time.time_ns() // 1000,
        choices=(Choice(word="acknowledge", label="Acknowledge", digit="1"),),
    )


def fake(pipe: Connection) -> None:
    """Run a fake until told to end; gives the times of the requests when asked."""

    async def serve() -> None:
        twilio = FakeTwilio(plays_phones=False)
        await twilio.start()
        pipe.send((twilio.base_url, twilio.account_sid, twilio.auth_token, twilio.account.number))
        while await asyncio.to_thread(pipe.recv):
            pipe.send([asked.at_s for asked in twilio.requests])
            twilio.requests.clear()
            twilio.answers.clear()
        await twilio.close()

    uvloop.run(serve())


async def burst(channel: CallChannel, pipe: Connection) -> list[float]:
    """Call everybody; returns the milliseconds to each request, the shortest first."""
    messages = [message(nth) for nth in range(CALLS)]
    began_s = time.monotonic()
    sent = await asyncio.gather(*(channel.send(each) for each in messages))
    assert len({each.ref for each in sent}) == CALLS
    pipe.send(True)
    return sorted((at_s - began_s) * 1000 for at_s in await asyncio.to_thread(pipe.recv))


async def measure(pipe: Connection) -> None:
    """Print each round."""
    base_url, sid, token, number = await asyncio.to_thread(pipe.recv)
    section = TwilioSection(account_sid=sid, from_number=number, base_url=base_url, timeout_s=30.0)
    channel = CallChannel(TwilioClient(section, token=token), public_url="https://wk.example.org")
    print(f"{CALLS:,} calls at once, until each request is at Twilio (goal: p99 {GOAL_MS:g} ms)")
    for nth in range(1, ROUNDS + 1):
        cpu_s = time.process_time()
        took = await burst(channel, pipe)
        cpu_ms = (time.process_time() - cpu_s) * 1000 / CALLS
        half, most = took[CALLS // 2], took[CALLS * 99 // 100]
        print(
            f"  round {nth}: p50 {half:.0f} ms, p99 {most:.0f} ms, all {took[-1]:.0f} ms;"
            f" {cpu_ms:.2f} ms of a core each"
        )
    await channel.close()
    pipe.send(False)


def main() -> None:
    """Measure with the fake in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=fake, args=(theirs,), daemon=True)
    process.start()
    uvloop.run(measure(ours))
    process.join(10)


if __name__ == "__main__":
    main()
