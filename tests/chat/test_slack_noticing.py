"""Slack hears at once that something came in, and a stop is done before what came in with it."""

import asyncio
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.slack_app.noticing import Noticing

pytestmark = pytest.mark.asyncio


class Wire:
    """The end of the socket: it writes down what leaves, and may be broken."""

    def __init__(self, told: list[str], *, broken: bool = False) -> None:
        self.told, self.broken = told, broken

    async def send_socket_mode_response(self, response: Any) -> None:
        if self.broken:
            raise ConnectionResetError("gone")
        self.told.append(f"noticed {response.envelope_id}")


def typed(name: str, command: str, text: str = "") -> SocketModeRequest:
    body = {"command": command, "text": text, "trigger_id": name, "team_id": "T1", "user_id": "U1"}
    return SocketModeRequest(type="slash_commands", envelope_id=name, payload=body)


async def heard(requests: list[SocketModeRequest], *, broken: bool = False) -> list[str]:
    """Hand requests over in the same moment; return what happened, in order."""
    told: list[str] = []

    async def authorize(**_given: Any) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T1", bot_token="xoxb-1")

    app = AsyncApp(authorize=authorize, request_verification_enabled=False)

    async def done(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        told.append(f"done {body['trigger_id']}")

    for name in ("/status", "/kill-autonomous", "/wk"):
        app.command(name)(done)
    handler = Noticing(app, "xapp-1", ping_s=10.0)
    wire: Any = Wire(told, broken=broken)
    try:
        await asyncio.gather(*(handler.handle(wire, each) for each in requests))
    finally:
        handler.client.message_processor.cancel()
        await handler.client.aiohttp_client_session.close()
    return told


async def test_all_that_came_in_one_moment_is_noticed_before_anything_is_done():
    names = [f"e{number}" for number in range(50)]
    told = await heard([typed(name, "/status") for name in names])
    assert told[:50] == [f"noticed {name}" for name in names]
    assert sorted(told[50:]) == sorted(f"done {name}" for name in names)


@pytest.mark.parametrize(
    ("command", "text"),
    [("/kill-autonomous", "all"), ("/wk", "kill-autonomous now"), ("/wk", "/Kill-Autonomous")],
)
async def test_a_stop_overtakes_what_came_before_it(command, text):
    others = [typed(f"e{number}", "/status") for number in range(20)]
    told = await heard([*others, typed("stop", command, text)])
    done = [each for each in told if each.startswith("done")]
    assert done[0] == "done stop"


async def test_a_lost_line_keeps_nothing_from_being_done():
    assert await heard([typed("stop", "/kill-autonomous")], broken=True) == ["done stop"]
