"""Writing messages: what is posted, edited and deleted is shown, counted and told of."""

from collections.abc import Sequence

from simulator.fakes.fake_slack.activity import Activity
from simulator.fakes.fake_slack.modals import with_ids
from simulator.fakes.fake_slack.news import News
from simulator.fakes.fake_slack.payloads import changed_event, deleted_event, message_event
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.rules import message_faults, refusal
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, Json, Message, Upload, Workspace


class Posting:
    """The one place where messages come to be, change and go."""

    def __init__(self, *, workspace: Workspace, activity: Activity, news: News, problems: list[str]) -> None:
        self._workspace = workspace
        self._activity = activity
        self._news = news
        self._problems = problems

    def check(self, body: Json, *, where: str, old: Message | None = None) -> list[str]:
        """Hold a message against the rules; return the warnings. Raises `Refused` in Slack's words."""
        faults = message_faults(body, old=old.json() if old is not None else None)
        details = [fault.detail for fault in faults]
        self._problems += [f"{where}: {detail}" for detail in details]
        if error := refusal(faults):
            raise Refused(error, response_metadata={"messages": [f"[ERROR] {one}" for one in details]})
        return ["missing_text_in_message"] if details else []

    def post(
        self, body: Json, *, channel: str, to: str | None = None, files: Sequence[Upload] = ()
    ) -> Message:
        """Post a message of the bot's, to everybody or to one account."""
        message = self._workspace.post(
            channel=channel,
            author=BOT_USER_ID,
            text=body.get("text") or "",
            blocks=with_ids(self._workspace, body.get("blocks") or []),
            attachments=body.get("attachments") or [],
            metadata=body.get("metadata"),
            thread_ts=body.get("thread_ts") or None,
            broadcast=body.get("reply_broadcast") in {True, "true", "1"},
            username=str(body.get("username") or ""),
            files=list(files),
            to=to,
        )
        self._activity.show(message.ts)
        if to is None:
            self._news.of_message(self._workspace.channels[channel], message_event(self._workspace, message))
        return message

    def edit(self, message: Message, body: Json) -> None:
        """Change a message; a part that is not given stays as it was."""
        before = message.json()
        if body.get("text") is not None:
            message.text = body["text"]
        if body.get("blocks") is not None:
            message.blocks = with_ids(self._workspace, body["blocks"])
        if body.get("attachments") is not None:
            message.attachments = body["attachments"]
        if body.get("metadata") is not None:
            message.metadata = body["metadata"]
        message.edits += 1
        message.edited_ts = self._workspace.new_ts()
        self._activity.show(message.ts)
        if message.to is None:
            channel = self._workspace.channels[message.channel]
            self._news.of_message(channel, changed_event(self._workspace, message, before))

    def delete(self, message: Message, *, copies: int = 1) -> None:
        """Take a message away."""
        del self._workspace.posts[message.ts]
        self._workspace.deleted.add(message.ts)
        self._activity.clear()
        if message.to is None:
            channel = self._workspace.channels[message.channel]
            self._news.of_message(channel, deleted_event(self._workspace, message), copies=copies)
