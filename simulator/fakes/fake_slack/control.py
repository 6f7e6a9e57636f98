"""A small JSON door to a running fake, for scripts in any language: what people do and see, below `/_fake/`.

The endpoints and their words are those of the other fakes; docs/reference/fakes.md lists them. People and
channels go by id or by name. What cannot be done (no such button, no such channel) is answered with 404 and a
sentence, a body that says too little or the wrong thing with 400.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from simulator.fakes.chat import Modal
from simulator.fakes.fake_slack.server import FakeSlack
from simulator.fakes.fake_slack.workspace import Json
from simulator.fakes.pictures_slack import channel_page

_JSON: Final = "application/json"
_Act = Callable[[Json], Awaitable[Any]]


class Control:
    """The door."""

    def __init__(self, fake: FakeSlack) -> None:
        self._fake = fake

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers."""
        acts: list[_Act] = [
            self.type, self.complete, self.press, self.cancel, self.fill, self.dismiss, self.delete,
            self.people, self.channels, self.trouble,
        ]  # fmt: skip
        views: list[_Act] = [
            self.messages, self.thread, self.direct, self.private, self.home, self.problems, self.picture,
        ]  # fmt: skip
        return [
            *(web.post(f"/_fake/{act.__name__}", self._posted(act)) for act in acts),
            *(web.get(f"/_fake/{act.__name__}", self._asked(act)) for act in views),
        ]

    # ------------------------------------------------------------ what people do

    async def type(self, body: Json) -> Any:
        """`account`, `line`, `channel`, and `thread` where one is meant."""
        account, thread = self._account(body["account"]), body.get("thread")
        return await self._fake.type(account, body["line"], channel=body["channel"], thread=thread)

    async def complete(self, body: Json) -> Any:
        """`account`, `line`: what the open modal's menu offers."""
        return await self._fake.complete(self._account(body["account"]), body["line"], channel="")

    async def press(self, body: Json) -> Any:
        """`account`, `message`, `label`."""
        return await self._fake.press(self._account(body["account"]), body["message"], body["label"])

    async def cancel(self, body: Json) -> Any:
        """`account`, `message`, `label`: what the dialog said."""
        said = await self._fake.cancel(self._account(body["account"]), body["message"], body["label"])
        return {"text": said}

    async def fill(self, body: Json) -> Any:
        """`account`, `modal` as it was given, `values` by label."""
        form = msgspec.convert(body["modal"], Modal)
        return await self._fake.fill(self._account(body["account"]), form, body["values"])

    async def dismiss(self, body: Json) -> Any:
        """`account`, `modal` as it was given."""
        form = msgspec.convert(body["modal"], Modal)
        return await self._fake.dismiss(self._account(body["account"]), form)

    async def delete(self, body: Json) -> Any:
        """`message`: somebody deletes it."""
        await self._fake.delete(body["message"])
        return {}

    async def people(self, body: Json) -> Any:
        """`name` of somebody who joins."""
        return {"account": self._fake.add_person(body["name"])}

    async def channels(self, body: Json) -> Any:
        """`name` of a new channel."""
        return {"channel": self._fake.add_channel(body["name"])}

    async def trouble(self, body: Json) -> Any:
        """Make any of `drop`, `disconnect`, `silent`, `copies`, `limit` and `fail` go wrong."""
        if body.get("drop"):
            await self._fake.drop()
        if "disconnect" in body:
            await self._fake.disconnect(reason=str(body["disconnect"]))
        if "silent" in body:
            self._fake.go_silent(silent=bool(body["silent"]))
        if "copies" in body:
            self._fake.redeliver(copies=int(body["copies"]), as_retries=bool(body.get("as_retries")))
        if limit := body.get("limit"):
            self._fake.limit(calls=int(limit["calls"]), retry_after_s=float(limit["retry_after_s"]))
        if fail := body.get("fail"):
            self._fake.fail(calls=int(fail["calls"]), status=int(fail["status"]))
        return {}

    # ------------------------------------------------------------ what people see

    async def messages(self, query: Json) -> Any:
        """`channel`: what everybody sees in it."""
        return self._fake.messages(query["channel"])

    async def thread(self, query: Json) -> Any:
        """`message`: what was written below it."""
        return self._fake.thread(query["message"])

    async def direct(self, query: Json) -> Any:
        """`account`: the direct messages from the bot."""
        return self._fake.direct(self._account(query["account"]))

    async def private(self, query: Json) -> Any:
        """`account`: what this person alone sees in channels."""
        return self._fake.private(self._account(query["account"]))

    async def home(self, query: Json) -> Any:
        """`account`: the home tab the bot made for this person."""
        return {"text": self._fake.home(self._account(query["account"]))}

    async def problems(self, _: Json) -> Any:
        """Every rule the bot broke."""
        return self._fake.problems()

    async def picture(self, query: Json) -> Any:
        """`channel`: it and its threads as a page of HTML."""
        workspace = self._fake.workspace
        shown = [workspace.posts[screen.message_id] for screen in self._fake.messages(query["channel"])]
        channel = workspace.find_channel(query["channel"])
        page = channel_page(workspace, channel.id if channel is not None else "", shown)
        return web.Response(text=page, content_type="text/html")

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
            return await _answer(act, body)

        return handle

    def _asked(self, act: _Act) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await _answer(act, dict(request.query))

        return handle


async def _answer(act: _Act, given: Json) -> web.Response:
    try:
        answer = await act(given)
    except KeyError as missing:
        return _refused(400, f"{missing.args[0]} is missing")
    except LookupError as wrong:
        return _refused(404, str(wrong))
    except (ValueError, TypeError) as wrong:
        return _refused(400, str(wrong))
    if isinstance(answer, web.Response):
        return answer
    return web.Response(body=msgspec.json.encode(answer), content_type=_JSON)


def _refused(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)
