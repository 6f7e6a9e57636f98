"""A small JSON door to a running fake, for scripts in any language: what people do and see, below `/_fake/`.

POST bodies are JSON objects, answers too. People and channels go by id or by name. What cannot be done (no
such button, no such channel) is answered with 404 and a sentence, a body that says too little with 400.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from simulator.fakes.chat import Modal
from simulator.fakes.fake_slack.server import FakeSlack
from simulator.fakes.fake_slack.workspace import Json

_JSON: Final = "application/json"
_Act = Callable[["Control", Json], Awaitable[Any]]


class Control:
    """The door."""

    def __init__(self, fake: FakeSlack) -> None:
        self._fake = fake

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        acts: dict[str, _Act] = {
            "type": Control.type,
            "press": Control.press,
            "fill": Control.fill,
            "people": Control.person,
            "channels": Control.channel,
        }
        views: dict[str, _Act] = {
            "messages": Control.messages,
            "thread": Control.thread,
            "direct": Control.direct,
            "private": Control.private,
            "problems": Control.problems,
        }
        return [
            *(web.post(f"/_fake/{name}", self._posted(act)) for name, act in acts.items()),
            *(web.get(f"/_fake/{name}", self._asked(act)) for name, act in views.items()),
        ]

    # ------------------------------------------------------------ what people do

    async def type(self, body: Json) -> Any:
        """`account`, `line`, `channel`, and `thread` where one is meant."""
        account, thread = self._account(body["account"]), body.get("thread")
        return await self._fake.type(account, body["line"], channel=body["channel"], thread=thread)

    async def press(self, body: Json) -> Any:
        """`account`, `message_id`, `label`."""
        return await self._fake.press(self._account(body["account"]), body["message_id"], body["label"])

    async def fill(self, body: Json) -> Any:
        """`account`, `handle` of the modal, `values` by label."""
        form = Modal(handle=body["handle"], title="", fields=())
        return await self._fake.fill(self._account(body["account"]), form, body["values"])

    async def person(self, body: Json) -> Any:
        """`name` of somebody who joins."""
        return {"id": self._fake.add_person(body["name"])}

    async def channel(self, body: Json) -> Any:
        """`name` of a new channel."""
        return {"id": self._fake.add_channel(body["name"])}

    # ------------------------------------------------------------ what people see

    async def messages(self, query: Json) -> Any:
        """`channel`: what everybody sees in it."""
        return self._fake.messages(query["channel"])

    async def thread(self, query: Json) -> Any:
        """`message_id`: what was written below it."""
        return self._fake.thread(query["message_id"])

    async def direct(self, query: Json) -> Any:
        """`account`: the direct messages from the bot."""
        return self._fake.direct(self._account(query["account"]))

    async def private(self, query: Json) -> Any:
        """`account`: what this person alone sees in channels."""
        return self._fake.private(self._account(query["account"]))

    async def problems(self, _: Json) -> Any:
        """Every rule the bot broke."""
        return self._fake.problems()

    # ------------------------------------------------------------ the wire

    def _account(self, wanted: str) -> str:
        people = self._fake.workspace.people
        found = (
            wanted if wanted in people else next((p.id for p in people.values() if p.name == wanted), None)
        )
        if found is None:
            raise LookupError(f"nobody is called {wanted!r}")
        return found

    def _posted(self, act: _Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            # A page in somebody's browser cannot send this type across origins without asking first.
            if request.content_type != _JSON:
                return _refused(415, f"send {_JSON}")
            try:
                body = msgspec.json.decode(await request.read(), type=dict[str, Any])
            except msgspec.DecodeError as wrong:
                return _refused(400, str(wrong))
            return await self._answer(act, body)

        return handle

    def _asked(self, act: _Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await self._answer(act, dict(request.query))

        return handle

    async def _answer(self, act: _Act, given: Json) -> web.Response:
        try:
            answer = await act(self, given)
        except KeyError as missing:
            return _refused(400, f"{missing.args[0]} is missing")
        except LookupError as wrong:
            return _refused(404, str(wrong))
        return web.Response(body=msgspec.json.encode(answer), content_type=_JSON)


def _refused(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)
