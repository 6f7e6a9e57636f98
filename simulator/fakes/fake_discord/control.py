"""The people of a fake Discord by HTTP, so that bots in any language can be tested: JSON in, JSON out.

docs/reference/fakes.md lists the endpoints. Accounts and channels go by id or name.
"""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from simulator.fakes.chat import Modal

if TYPE_CHECKING:
    from simulator.fakes.fake_discord.server import FakeDiscord

Asked = dict[str, Any]


def control_routes(fake: "FakeDiscord") -> list[web.RouteDef]:
    """Return the endpoints under `/_fake`."""
    hands, eyes = _Hands(fake), _Eyes(fake)
    done: dict[str, Callable[[Asked], Any]] = {
        "type": hands.type,
        "complete": hands.complete,
        "press": hands.press,
        "choose": hands.choose,
        "fill": hands.fill,
        "say": hands.say,
        "delete": hands.delete,
        "people": hands.join,
        "channels": hands.open,
        "trouble": hands.trouble,
    }
    read: dict[str, Callable[[Asked], Any]] = {
        "messages": eyes.messages,
        "private": eyes.private,
        "direct": eyes.direct,
        "thread": eyes.thread,
        "problems": eyes.problems,
        "picture": eyes.picture,
    }
    return [
        *(web.post(f"/_fake/{name}", _handler(ask)) for name, ask in done.items()),
        *(web.get(f"/_fake/{name}", _handler(ask)) for name, ask in read.items()),
    ]


class _Named:
    """Finds people and places by what they are called."""

    def __init__(self, fake: "FakeDiscord") -> None:
        self.fake = fake

    def account(self, asked: Asked) -> str:
        return self.fake.world.person(asked["account"]).account

    def channel(self, asked: Asked) -> str:
        return self.fake.world.place(asked["channel"]).id


class _Hands(_Named):
    """What people do."""

    async def type(self, asked: Asked) -> Any:
        return await self.fake.type(self.account(asked), asked["line"], channel=self.channel(asked))

    async def complete(self, asked: Asked) -> Any:
        return await self.fake.complete(self.account(asked), asked["line"], channel=self.channel(asked))

    async def press(self, asked: Asked) -> Any:
        return await self.fake.press(self.account(asked), asked["message"], asked["label"])

    async def choose(self, asked: Asked) -> Any:
        return await self.fake.choose(self.account(asked), asked["message"], *asked["labels"])

    async def fill(self, asked: Asked) -> Any:
        modal = msgspec.convert(asked["modal"], Modal)
        return await self.fake.fill(self.account(asked), modal, asked["values"])

    def say(self, asked: Asked) -> Any:
        return {"message": self.fake.say(self.account(asked), asked["text"], channel=self.channel(asked))}

    async def delete(self, asked: Asked) -> Any:
        await self.fake.delete(asked["message"])

    def join(self, asked: Asked) -> Any:
        permissions = {"permissions": int(asked["permissions"])} if "permissions" in asked else {}
        return {"account": self.fake.add_person(asked["name"], **permissions)}

    def open(self, asked: Asked) -> Any:
        return {"channel": self.fake.add_channel(asked["name"])}

    async def trouble(self, asked: Asked) -> Any:
        """Make any of `drop`, `silent`, `copies`, `limit` and `fail` go wrong."""
        if asked.get("drop"):
            await self.fake.drop()
        if "silent" in asked:
            self.fake.go_silent(silent=bool(asked["silent"]))
        if "copies" in asked:
            self.fake.redeliver(copies=int(asked["copies"]))
        if limit := asked.get("limit"):
            self.fake.limit(calls=int(limit["calls"]), retry_after_s=float(limit["retry_after_s"]))
        if fail := asked.get("fail"):
            self.fake.fail(calls=int(fail["calls"]), status=int(fail["status"]))


class _Eyes(_Named):
    """What people see."""

    def messages(self, asked: Asked) -> Any:
        return self.fake.messages(self.channel(asked))

    def private(self, asked: Asked) -> Any:
        return self.fake.private(self.account(asked))

    def direct(self, asked: Asked) -> Any:
        return self.fake.direct(self.account(asked))

    def thread(self, asked: Asked) -> Any:
        return self.fake.thread(asked["message"])

    def problems(self, _: Asked) -> Any:
        return self.fake.problems()

    def picture(self, asked: Asked) -> web.Response:
        ids = [one.id for one in self.fake.world.written_in(self.channel(asked))]
        return web.Response(text=self.fake.picture(*ids), content_type="text/html")


def _handler(do: Callable[[Asked], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that reads what is asked, and says in a line what is wrong with it."""

    async def handle(request: web.Request) -> web.Response:
        try:
            asked = dict(request.query)
            if request.method != "GET":
                asked = msgspec.json.decode(await request.read() or b"{}", type=Asked)
            done = do(asked)
            done = await done if isinstance(done, Awaitable) else done
        except KeyError as missing:
            return _answer({"error": f"{missing.args[0]} is missing"}, status=400)
        except LookupError as error:
            return _answer({"error": str(error)}, status=404)
        except (ValueError, TypeError) as error:
            return _answer({"error": str(error)}, status=400)
        return done if isinstance(done, web.Response) else _answer(done)

    return handle


def _answer(body: Any, *, status: int = 200) -> web.Response:
    content = json.dumps(msgspec.to_builtins(body), ensure_ascii=False).encode()
    return web.Response(body=content, status=status, headers={"Content-Type": "application/json"})
