"""Web API methods that write: messages, reactions, files, modals."""

import mimetypes
from typing import Any

from simulator.fakes.fake_slack.calls import Call, Method, method
from simulator.fakes.fake_slack.modals import with_ids
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.rules import refusal, view_faults
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, TEAM_DOMAIN, Channel, Json, Message, Upload

METHODS: dict[str, Method] = {}


# ---------------------------------------------------------------- messages


def _may_post(call: Call, channel: Channel) -> None:
    if BOT_USER_ID not in channel.members and "chat:write.public" not in call.scopes:
        raise Refused("not_in_channel")


def _own_message(call: Call, *, doing: str) -> Message:
    if call.args.get("channel") in call.desk.workspace.people:
        # Unlike chat.postMessage, these take no person for the channel.
        raise Refused("channel_not_found", problem="channel is a person; give the id of the direct messages")
    channel = call.channel()
    message = call.desk.workspace.posts.get(call.text("ts"))
    if message is None or message.channel != channel.id or message.to is not None:
        raise Refused("message_not_found")
    if message.author != BOT_USER_ID:
        raise Refused(f"cant_{doing}_message")
    return message


def _thread(call: Call, channel: Channel) -> None:
    ts = call.args.get("thread_ts")
    if not ts:
        return
    workspace = call.desk.workspace
    parent = workspace.posts.get(str(ts))
    if parent is None and ts not in workspace.deleted:
        raise Refused("thread_not_found", problem=f"thread_ts {ts!r} is no message")
    if parent is not None and parent.channel != channel.id:
        raise Refused("thread_not_found", problem=f"thread_ts {ts!r} is in another channel")
    if parent is not None and parent.thread_ts not in {None, parent.ts}:
        call.problem(f"thread_ts {ts!r} is a reply; give its parent")


@method(METHODS, "chat.postMessage", "chat:write")
def post_message(call: Call) -> Json:
    """Post to a channel, a person or a thread."""
    channel = call.channel()
    _may_post(call, channel)
    _thread(call, channel)
    warnings = call.desk.posting.check(call.args, where=call.name)
    call.limits.one_message(channel.id)
    message = call.desk.posting.post(call.args, channel=channel.id)
    answer: Json = {"channel": channel.id, "ts": message.ts, "message": message.json()}
    if warnings:
        answer |= {"warning": warnings[0], "response_metadata": {"warnings": warnings}}
    return answer


@method(METHODS, "chat.postEphemeral", "chat:write")
def post_ephemeral(call: Call) -> Json:
    """Post what one person alone sees."""
    channel = call.channel()
    account = call.text("user")
    _may_post(call, channel)
    if account not in channel.members:
        raise Refused("user_not_in_channel")
    call.desk.posting.check(call.args, where=call.name)
    call.limits.one_message(channel.id)
    return {"message_ts": call.desk.posting.post(call.args, channel=channel.id, to=account).ts}


@method(METHODS, "chat.update", "chat:write")
def update(call: Call) -> Json:
    """Edit a message of the bot's."""
    message = _own_message(call, doing="update")
    call.desk.posting.check(call.args, where=call.name, old=message)
    change = call.args
    if message.blocks and change.get("text") is not None and change.get("blocks") is None:
        call.problem(
            "text alone for a message with blocks: Slack has kept them and removed them; give blocks"
        )
        change = {**change, "blocks": []}  # what its reference says last
    call.desk.posting.edit(message, change)
    return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.json()}


@method(METHODS, "chat.delete", "chat:write")
def delete(call: Call) -> Json:
    """Take a message of the bot's away."""
    message = _own_message(call, doing="delete")
    call.desk.posting.delete(message)
    return {"channel": message.channel, "ts": message.ts}


@method(METHODS, "chat.getPermalink")
def permalink(call: Call) -> Json:
    """Return the address of a message."""
    channel, ts = call.channel(), call.text("message_ts")
    message = call.desk.workspace.posts.get(ts)
    if message is None or message.channel != channel.id:
        raise Refused("message_not_found")
    link = f"https://{TEAM_DOMAIN}.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def _reacted(call: Call) -> tuple[str, str]:
    channel, ts = call.channel(), call.text("timestamp")
    message = call.desk.workspace.posts.get(ts)
    if message is None or message.channel != channel.id:
        raise Refused("message_not_found")
    return ts, call.text("name").strip(":")


@method(METHODS, "reactions.add", "reactions:write")
def react(call: Call) -> Json:
    """React to a message."""
    who = call.desk.reactions.setdefault(_reacted(call), set())
    if BOT_USER_ID in who:
        raise Refused("already_reacted")
    who.add(BOT_USER_ID)
    return {}


@method(METHODS, "reactions.remove", "reactions:write")
def unreact(call: Call) -> Json:
    """Take a reaction back."""
    who = call.desk.reactions.get(_reacted(call), set())
    if BOT_USER_ID not in who:
        raise Refused("no_reaction")
    who.discard(BOT_USER_ID)
    return {}


# ---------------------------------------------------------------- modals


@method(METHODS, "views.open")
def open_view(call: Call) -> Json:
    """Open a modal."""
    return {"view": call.desk.modals.open(call.text("trigger_id"), call.args.get("view") or {}).json()}


@method(METHODS, "views.push")
def push_view(call: Call) -> Json:
    """Put a modal on top of another."""
    return {"view": call.desk.modals.push(call.text("trigger_id"), call.args.get("view") or {}).json()}


@method(METHODS, "views.update")
def update_view(call: Call) -> Json:
    """Exchange what stands in a modal."""
    view = call.desk.modals.update(
        call.args.get("view") or {},
        view_id=call.args.get("view_id"),
        external_id=call.args.get("external_id"),
        hash_=call.args.get("hash"),
    )
    return {"view": view.json()}


@method(METHODS, "views.publish")
def publish_view(call: Call) -> Json:
    """Set what stands in a person's home tab."""
    view: Any = call.args.get("view") or {}
    faults = view_faults(view)
    for fault in faults:
        call.problem(fault.detail)
    if error := refusal(faults):
        raise Refused(error, response_metadata={"messages": [f"[ERROR] {fault.detail}" for fault in faults]})
    account = call.text("user_id")
    if account not in call.desk.workspace.people:
        raise Refused("user_not_found")
    workspace = call.desk.workspace
    call.desk.homes[account] = {**view, "blocks": with_ids(workspace, view["blocks"])}
    return {"view": {**call.desk.homes[account], "id": workspace.new_id("V"), "hash": workspace.new_id("h")}}


# ---------------------------------------------------------------- files


@method(METHODS, "files.getUploadURLExternal", "files:write")
def upload_url(call: Call) -> Json:
    """Announce a file; its bytes go to the address given back."""
    size = call.number("length")
    if size < 1:
        raise Refused("invalid_arguments", problem="a file without bytes")
    workspace = call.desk.workspace
    name = call.text("filename")
    upload = Upload(id=workspace.new_id("F"), name=name, size=size, created=int(workspace.clock()))
    workspace.uploads[upload.id] = upload
    return {"upload_url": f"{call.desk.base_url()}/upload/v1/{upload.id}", "file_id": upload.id}


@method(METHODS, "files.completeUploadExternal", "files:write")
def complete_upload(call: Call) -> Json:
    """Share files whose bytes have arrived."""
    wanted = call.args.get("files")
    if not isinstance(wanted, list) or not wanted:
        raise Refused("invalid_arguments", problem="files is not a list of files")
    uploads = [_arrived(call, one) for one in wanted]
    where = call.args.get("channel_id") or call.args.get("channels")
    if where:
        for name in str(where).split(","):
            channel = call.channel(name)
            _may_post(call, channel)
            _thread(call, channel)
            body = {"text": call.args.get("initial_comment") or "", "thread_ts": call.args.get("thread_ts")}
            call.desk.posting.post(body, channel=channel.id, files=uploads)
    shown = [u.json() | {"mimetype": mimetypes.guess_type(u.name)[0] or "text/plain"} for u in uploads]
    return {"files": shown}


def _arrived(call: Call, wanted: Json) -> Upload:
    upload = call.desk.workspace.uploads.get(str(wanted.get("id")))
    if upload is None or upload.data is None:
        raise Refused("file_not_found", problem=f"file {wanted.get('id')!r} was not uploaded")
    upload.title = str(wanted.get("title") or upload.name)
    return upload
