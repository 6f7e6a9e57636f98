"""The line of a body: what is not the engine's own word counts for nothing, with status 200 as well."""

import httpx
import pytest

from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import Unreachable
from engine.runtime import wire
from engine.runtime.body_line import BodyLine

OK = Result(success=True, output="ok", execution_time_s=0.1)
ONE = EffectId("d_80dde1abd920b63")


async def line_to(answer):
    line = BodyLine("http://127.0.0.1:9", "wk_x", run="run1")
    await line._http.aclose()
    line._http = httpx.AsyncClient(base_url=line._url, transport=httpx.MockTransport(lambda _: answer))
    return line


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"<html>back soon</html>", b"{}", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize(
    "request_",
    [
        wire.Start(effect_id=ONE, token=7),
        wire.GiveBack(effect_id=ONE, token=7),
        wire.End(effect_id=ONE, token=7, status="done", result=OK),
        wire.Lease(worker="run1", most=1, wait_s=0.0),
        wire.Renew(worker="run1", tokens={ONE: 7}),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_a_page_of_a_proxy_on_the_way_is_no_answer(request_, body):
    line = await line_to(httpx.Response(200, content=body))
    with pytest.raises(Unreachable, match="not"):
        await line.ask(request_)
    with pytest.raises(Unreachable, match="not"):
        await line.oneself()
    await line.close()


@pytest.mark.asyncio
async def test_what_the_engine_has_on_disk_it_says_with_204():
    line = await line_to(httpx.Response(204))
    assert await line.ask(wire.Start(effect_id=ONE, token=7)) == wire.Done()
    await line.close()
