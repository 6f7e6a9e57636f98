"""The captaincy on a live engine: who begins, handing over, and that a restart knows it."""

import pytest

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.captaincy import CaptaincySettings
from engine.errors import InputError
from engine.runtime import wire
from tests.builders import changed
from tests.live.engines import engine, performing
from tests.live.test_holds import facts

pytestmark = pytest.mark.asyncio


def under(**values):
    return changed(
        performing(), captaincy=CaptaincySettings(**{"captain": "cora", "deputy": "dean"} | values)
    )


def says(word, by, to="", **values):
    return wire.SayOfCaptaincy(word=word, by=by, to=to, **values)


async def test_it_is_offered_taken_and_known_after_a_restart(tmp_path):
    async with engine(tmp_path, under()) as it:
        assert (await it.ask(wire.GetCaptaincy())).acting == "cora"
        offered = await it.ask(says("hand-over", "cora", "eli", reason="leave"))
        assert (offered.acting, offered.offered) == ("cora", "eli")
        it.live.intake.snapshot()
    async with engine(tmp_path, under()) as again:
        assert (await again.ask(says("accept", "eli"))).acting == "eli"
        assert again.told.of("captaincy") == ["eli took the captaincy over from cora"]
    async with engine(tmp_path, under()) as third:
        assert (await third.ask(wire.GetCaptaincy())).captain == "eli", "the configuration names nobody else"
    async with engine(tmp_path, under(captain="una", deputy="")) as other:
        known = await other.ask(wire.GetCaptaincy())
        assert (known.captain, known.deputy) == ("una", ""), "now it does"
    assert [each.captain for each in facts(tmp_path, f.CaptaincyBegun)] == ["cora", "una"]


async def test_where_nobody_confirms_it_passes_at_once_and_only_to_somebody_known(tmp_path):
    async with engine(tmp_path, under(confirm=False)) as it:
        with pytest.raises(InputError, match="nobody called eli was seen here"):
            await it.ask(says("hand-over", "cora", "eli"))
        await it.ask(wire.SeePerson(person="eli", role="responder"))
        assert (await it.ask(says("hand-over", "cora", "eli"))).captain == "eli"
        with pytest.raises(InputError, match="eli acts as captain"):
            await it.ask(says("hand-over", "cora", "dean", known=True))


async def test_without_a_captaincy_nothing_of_it_is_journaled(tmp_path):
    async with engine(tmp_path) as it:
        assert (await it.ask(wire.GetCaptaincy())).captain == ""
        with pytest.raises(InputError, match="there is no captaincy"):
            await it.ask(says("away", "cora"))
    assert facts(tmp_path, f.CaptaincyBegun) == []
