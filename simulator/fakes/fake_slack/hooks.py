"""Response URLs: five late answers to one thing a person did, within half an hour."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from simulator.fakes.fake_slack.posting import Posting
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.workspace import TEAM_ID, Json, Message, Workspace

MOST_USES: Final = 5
LIFETIME_S: Final = 30 * 60
_VERBS: Final = ("replace", "delete")
_STATUS: Final = {"used_url": 404, "expired_url": 404}


@dataclass(slots=True, kw_only=True)
class Hook:
    """One response URL."""

    path: str
    channel: str
    account: str
    made_at: float
    original: str | None
    """The message a button was on, which it may replace; `None` for a command, which has none."""
    uses: int = 0


class Hooks:
    """Every response URL given out."""

    def __init__(
        self, *, workspace: Workspace, posting: Posting, problems: list[str], base_url: Callable[[], str]
    ) -> None:
        self._workspace = workspace
        self._posting = posting
        self._problems = problems
        self._base_url = base_url
        self._hooks: dict[str, Hook] = {}

    def new(self, *, kind: str, channel: str, account: str, original: str | None = None) -> Hook:
        """Make one for something a person did; `kind` is `commands` or `actions`."""
        path = f"{kind}/{TEAM_ID}/{self._workspace.new_id('')}/{secrets.token_hex(12)}"
        self._hooks[path] = Hook(
            path=path, channel=channel, account=account, made_at=self._workspace.clock(), original=original
        )
        return self._hooks[path]

    def url(self, hook: Hook) -> str:
        """Return its address."""
        return f"{self._base_url()}/hooks/{hook.path}"

    def use(self, path: str, body: Any) -> None:
        """Answer late. Raises `Refused` when it was used up, is too old or says nothing sayable."""
        hook = self._hooks.get(path)
        if hook is None:
            raise Refused("used_url", problem=f"response_url: {path} was never given out")
        if self._workspace.clock() - hook.made_at > LIFETIME_S:
            raise Refused(
                "expired_url", problem=f"response_url: used more than {LIFETIME_S} s after it was made"
            )
        if hook.uses >= MOST_USES:
            raise Refused("used_url", problem=f"response_url: used more than {MOST_USES} times")
        if not isinstance(body, dict):
            raise Refused("invalid_payload", problem="response_url: the body is not an object")
        hook.uses += 1
        self.answer(hook, body, where="response_url")

    def answer(self, hook: Hook, body: Json, *, where: str) -> Message | None:
        """Show what a bot answers through an acknowledgement or a response URL; `None` when it deletes."""
        kind = body.get("response_type", "ephemeral")
        if kind not in {"ephemeral", "in_channel"}:
            raise Refused("invalid_response_type", problem=f"{where}: response_type is {kind!r}")
        original = self._workspace.posts.get(hook.original or "")
        if hook.original is None and any(_is_true(body.get(f"{verb}_original")) for verb in _VERBS):
            # Seen on the real one: github.com/slackapi/bolt-js/issues/2287, bolt-python/issues/1268.
            self._problems.append(f"{where}: a command has no original; Slack posts a new message")
        if _is_true(body.get("delete_original")):
            if original is not None:
                self._posting.delete(original)
            if original is not None or not body.get("text"):
                return None
        replaces = _is_true(body.get("replace_original")) and original is not None
        self._posting.check(body, where=where, old=original if replaces else None)
        if replaces and original is not None:
            # Unlike chat.update, what an answer leaves out is gone: the new message stands for the old one.
            self._posting.edit(original, {"text": "", "blocks": [], "attachments": [], **body})
            return original
        to = hook.account if kind == "ephemeral" else None
        return self._posting.post(body, channel=hook.channel, to=to)

    async def serve(self, request: web.Request) -> web.Response:
        """Take one use of a response URL."""
        try:
            body = await request.json()
        except ValueError:
            body = None
        try:
            self.use(request.match_info["path"], body)
        except Refused as no:
            if no.problem:
                self._problems.append(no.problem)
            status = _STATUS.get(no.error, 400)
            return web.json_response({"ok": False, "error": no.error, **no.more}, status=status)
        return web.Response(text="ok")


def _is_true(value: Any) -> bool:
    return value in (True, "true", 1, "1")
