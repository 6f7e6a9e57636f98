"""One-time codes: each counts once, guesses lock out, and no code or seed is ever written anywhere else."""

from __future__ import annotations

import asyncio
import stat
import threading
import time

import msgspec
import pyotp
import pytest
from msgspec import structs

from engine.adapters.totp_file import LOCKED_US, MOST_WRONG, TotpFile
from engine.commands.catalogue import LANGUAGE
from engine.commands.stepping import without_codes
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.actions import ApprovalRule
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.units import SECOND_US
from engine.errors import InputError, StorageError
from engine.runtime import wire
from tests.commands.desks import tools_on
from tests.live.engines import AGAIN, asked, engine, performing

NOON_US = 1_700_000_000_000_000
STEP_US = 30 * SECOND_US


class Clock:
    def __init__(self):
        self.us = NOON_US

    def __call__(self):
        return self.us


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def codes(tmp_path, clock):
    return TotpFile(tmp_path / "totp.json", now=clock)


def app(made, clock, later_us=0):
    """What the person's app shows."""
    return pyotp.TOTP(made.secret).at((clock.us + later_us) // SECOND_US)


def enrolled(codes, clock, person="ann"):
    made = codes.enrol(person)
    codes.confirm(person, app(made, clock))
    clock.us += 2 * STEP_US
    return made


def refused(what, *given):
    with pytest.raises(InputError) as error:
        what(*given)
    return error.value.message


# ---------------------------------------------------------------- the file


def test_codes_are_those_of_the_standard(tmp_path):
    # RFC 6238, appendix B, SHA-1: at 59 s the eight digits are 94287082, of which six are shown.
    codes = TotpFile(tmp_path / "totp.json", now=lambda: 59 * SECOND_US)
    codes.enrol("ann")
    body = msgspec.json.decode((tmp_path / "totp.json").read_bytes())
    body["seeds"][0]["secret"] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    (tmp_path / "totp.json").write_bytes(msgspec.json.encode(body))
    codes.confirm("ann", "287082")
    assert codes.is_enrolled("ann")


def test_a_code_counts_once_and_none_before_it_counts_again(codes, clock):
    made = enrolled(codes, clock)
    before, code = app(made, clock, -STEP_US), app(made, clock)
    codes.check("ann", code)
    assert "used already" in refused(codes.check, "ann", code)
    assert "used already" in refused(codes.check, "ann", before)
    clock.us += STEP_US
    assert "used already" in refused(codes.check, "ann", code), "it is still within the window"
    codes.check("ann", app(made, clock))


def test_a_code_counts_a_step_early_and_late_and_no_more(codes, clock):
    made = enrolled(codes, clock)
    codes.check("ann", app(made, clock, -STEP_US))
    codes.check("ann", app(made, clock, STEP_US))
    clock.us += 10 * STEP_US
    assert "wrong" in refused(codes.check, "ann", app(made, clock, -2 * STEP_US))
    assert "wrong" in refused(codes.check, "ann", app(made, clock, 2 * STEP_US))


def test_five_wrong_codes_lock_out_for_ten_minutes_even_the_right_one(codes, clock):
    made = enrolled(codes, clock)
    for _ in range(MOST_WRONG):
        assert "wrong" in refused(codes.check, "ann", "no code")
    assert "too many" in refused(codes.check, "ann", app(made, clock))
    clock.us += LOCKED_US - SECOND_US
    assert "too many" in refused(codes.check, "ann", app(made, clock))
    clock.us += SECOND_US
    codes.check("ann", app(made, clock))


def test_a_right_code_forgets_the_wrong_ones(codes, clock):
    made = enrolled(codes, clock)
    for _ in range(3):
        for _ in range(MOST_WRONG - 1):
            refused(codes.check, "ann", "000")
        clock.us += STEP_US
        codes.check("ann", app(made, clock))


def test_asking_for_another_seed_forgets_no_wrong_code(codes, clock):
    codes.enrol("ann")
    for _ in range(MOST_WRONG):
        refused(codes.confirm, "ann", "0")
    again = codes.enrol("ann")
    assert "too many" in refused(codes.confirm, "ann", app(again, clock))


def test_a_seed_counts_from_its_first_code_and_cannot_be_replaced_then(codes, clock):
    made = codes.enrol("ann")
    assert not codes.is_enrolled("ann")
    assert "no one-time codes" in refused(codes.check, "ann", app(made, clock))
    codes.confirm("ann", app(made, clock))
    assert codes.people() == ("ann",)
    assert "already" in refused(codes.enrol, "ann")
    codes.forget("ann")
    assert not codes.is_enrolled("ann")


def test_the_code_of_one_person_is_no_code_of_another(codes, clock):
    ann, _ = enrolled(codes, clock), enrolled(codes, clock, "ben")
    assert "wrong" in refused(codes.check, "ben", app(ann, clock))


def test_of_many_who_give_one_code_at_once_one_gets_through(codes, clock):
    made, got = enrolled(codes, clock), []
    code = app(made, clock)

    def give():
        try:
            codes.check("ann", code)
            got.append(True)
        except InputError:
            got.append(False)

    threads = [threading.Thread(target=give) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]


def test_only_its_owner_may_read_the_file(codes, clock, tmp_path):
    enrolled(codes, clock)
    path = tmp_path / "totp.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(StorageError, match="others may read it"):
        codes.is_enrolled("ann")


def test_a_damaged_file_lets_nobody_through_and_shows_no_seed(codes, clock, tmp_path):
    made = enrolled(codes, clock)
    path = tmp_path / "totp.json"
    path.write_bytes(path.read_bytes().replace(b'"confirmed"', b'"confused"'))
    assert made.secret not in refused(codes.check, "ann", "1")


def test_a_seed_is_not_printed(codes):
    made = codes.enrol("ann")
    assert made.secret not in repr(made)
    assert made.spaced.replace(" ", "") == made.secret


# ---------------------------------------------------------------- the desk


@pytest.mark.parametrize("line", ["code 12ab 123456", "/code 12ab 123 456", 'code token=12ab code="123-456"'])
def test_a_code_is_not_in_the_line_of_its_command(line):
    assert LANGUAGE.parse(line).line() == "code"


@pytest.mark.parametrize("line", ["aprove d_1 123456", "approve d_1 123 456", "cod 12ab 123-456"])
def test_what_cannot_be_read_is_written_without_what_may_be_a_code(line):
    assert "456" not in without_codes(line)
    assert (
        without_codes("approve d_123456789012345 ticket 1234567")
        == "approve d_123456789012345 ticket 1234567"
    )


def class_a():
    policy = performing(cache_clear=AGAIN)
    actions = dict(policy.actions)
    actions["cache.clear"] = structs.replace(
        actions["cache.clear"], approval=ApprovalRule(approval_class="A")
    )
    return structs.replace(policy, actions=actions)


HELD = decision_id("p-1")


async def at_class_a(tmp_path, script):
    """Have one decision of class A held, and do something at a desk; return the journal's facts and bytes."""
    from tests.commands.desks import Desk, Given

    async with engine(tmp_path, class_a()) as running:
        tools, close = tools_on(tmp_path, running.client, running.fence)
        given = Given(Desk(tools), running)
        await running.client.ask(wire.Propose(proposal=asked(1, confidence=0.99)))
        try:
            return await script(given, tools)
        finally:
            await given.desk.close()
            for each in close:
                each.close()


def enrol(tools, who):
    """Enrol, with a code of a step that will not be needed again."""
    made = tools.step_up.enrol(who)
    totp = pyotp.TOTP(made.secret)
    tools.step_up.confirm(who, totp.at(int(time.time()) - 30))
    return totp


def test_class_a_is_approved_by_two_people_each_with_a_code(tmp_path):
    async def script(given, tools):
        ray, cat = enrol(tools, "ray"), enrol(tools, "cat")
        asks = await given.say("ray", f"approve {HELD} looks right")
        assert asks.outcome == "asks"
        assert asks.buttons[0].asks
        assert (await given.say("ray", f"{asks.buttons[0].line} 000")).outcome == "refused"
        yes = asks.buttons[0].line.replace("code", "yes")
        assert (await given.say("ray", yes)).outcome == "refused", "a yes is no code"
        assert (await given.say("cat", f"{asks.buttons[0].line} {cat.now()}")).outcome == "refused"
        first = await given.say("ray", f"{asks.buttons[0].line} {ray.now()}")
        assert "one more person" in first.text, first
        # The same person at another platform is the same person.
        again = await given.say("ray", f"approve {HELD}", front="slack")
        twice = await given.say(
            "ray", f"{again.buttons[0].line} {ray.at(int(time.time()) + 30)}", front="slack"
        )
        assert twice.title == "It did not count"
        asks = await given.say("cat", f"captain-override {HELD} allow")
        asks = await given.say("cat", asks.buttons[0].line)
        assert asks.outcome == "asks"
        done = await given.say("cat", f"{asks.buttons[0].line} {cat.now()}")
        assert done.title == "Allowed by cat", done
        await asyncio.sleep(0)
        await given.desk.close()
        journal = tools.journal()
        records = list(journal.read(after=0))
        facts = [f.decode(record.body) for record in records]
        answered = [fact for fact in facts if isinstance(fact, f.HoldAnswered)]
        assert [fact.stepped_up for fact in answered] == [True, True]
        (over,) = [fact for fact in facts if isinstance(fact, f.HoldEnded)]
        assert (over.how, over.by) == ("approved", ("ray", "cat"))
        bodies = b"".join(record.body for record in records)
        for totp in (ray, cat):
            assert totp.secret.encode() not in bodies
            assert totp.now().encode() not in bodies

    asyncio.run(at_class_a(tmp_path, script))


def test_who_has_no_codes_is_told_how_to_get_them(tmp_path):
    async def script(given, tools):
        reply = await given.say("ray", f"approve {HELD}")
        assert reply.outcome == "refused"
        assert "/enrol" in reply.fields[0][1]
        assert (await given.say("ray", f"deny {HELD} no")).outcome == "done", "a denial takes no code"

    asyncio.run(at_class_a(tmp_path, script))


def test_no_seed_that_was_shown_is_in_the_journal(tmp_path):
    async def script(given, tools):
        asks = await given.say("ray", "enrol")
        assert (asks.outcome, asks.private) == ("asks", True)
        secret = asks.fields[0][1].replace(" ", "")
        now = pyotp.TOTP(secret).now()
        assert (await given.say("ray", f"{asks.buttons[0].line} {now}")).outcome == "done"
        await given.desk.close()
        bodies = b"".join(record.body for record in tools.journal().read(after=0))
        assert b'"enrol"' in bodies
        assert secret.encode() not in bodies
        assert now.encode() not in bodies

    asyncio.run(at_class_a(tmp_path, script))
