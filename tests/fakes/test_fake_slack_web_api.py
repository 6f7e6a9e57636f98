"""The Web API answers slack_sdk in Slack's shape and words, also when it says no."""

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack_bot import FORM, on_socket, plain

pytestmark = pytest.mark.asyncio


async def refusal(call):
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def error(call):
    return (await refusal(call))["error"]


async def test_who_one_is_comes_with_the_scopes_one_has():
    async with on_socket(bot_scopes={"chat:write", "commands"}) as (_, app, _, _):
        answer = await app.client.auth_test()
        assert (answer["user"], answer["user_id"], answer["bot_id"]) == (
            "watchkeeper",
            "U0FAKEBOT",
            "B0FAKE001",
        )
        assert answer.headers["x-oauth-scopes"] == "chat:write,commands"


async def test_a_missing_scope_is_named_beside_what_was_granted():
    async with on_socket(bot_scopes={"chat:write", "commands"}) as (fake, app, _, _):
        answer = await refusal(app.client.users_info(user=fake.add_person("ada")))
        assert (answer["error"], answer["needed"], answer["provided"]) == (
            "missing_scope",
            "users:read",
            "chat:write,commands",
        )


async def test_a_socket_needs_a_scope_of_the_app():
    from simulator.fakes.fake_slack import FakeSlack

    fake = FakeSlack(app_scopes=())
    await fake.start()
    try:
        client = AsyncWebClient(token=fake.bot_token, base_url=fake.api_url)
        answer = await refusal(client.apps_connections_open(app_token=fake.app_token))
        assert (answer["error"], answer["needed"]) == ("missing_scope", "connections:write")
    finally:
        await fake.close()


async def test_tokens_that_are_wrong_are_told_apart():
    async with on_socket() as (fake, app, _, _):
        assert (
            await error(AsyncWebClient(token="xoxb-other", base_url=fake.api_url).auth_test())
            == "invalid_auth"
        )
        assert await error(AsyncWebClient(base_url=fake.api_url).auth_test()) == "not_authed"
        wrong_kind = AsyncWebClient(token=fake.app_token, base_url=fake.api_url)
        assert await error(wrong_kind.auth_test()) == "not_allowed_token_type"
        assert await error(app.client.api_call("chat.nonsense")) == "unknown_method"


async def test_channels_that_are_not_there_or_closed_to_the_bot():
    async with on_socket() as (fake, app, _, _):
        closed = fake.add_channel("closed", with_bot=False)
        assert await error(app.client.chat_postMessage(channel="C404", text="x")) == "channel_not_found"
        assert await error(app.client.chat_postMessage(channel=closed, text="x")) == "not_in_channel"
        assert await error(app.client.conversations_history(channel=closed)) == "not_in_channel"


async def test_a_bot_joins_a_channel_and_then_posts():
    async with on_socket() as (fake, app, _, _):
        closed = fake.add_channel("closed", with_bot=False)
        assert await error(app.client.conversations_join(channel=closed)) == "missing_scope"
        fake.web_api.bot_scopes |= {"channels:join"}
        assert (await app.client.conversations_join(channel=closed))["channel"]["is_member"]
        assert (await app.client.chat_postMessage(channel="#closed", text="x"))["channel"] == closed


async def test_a_private_channel_is_not_there_for_a_bot_outside_of_it():
    granted = {"chat:write", "groups:read", "groups:history"}
    async with on_socket(bot_scopes=granted) as (fake, app, _, _):
        ada = fake.add_person("ada")
        closed = fake.add_channel("closed", with_bot=False, is_private=True)
        assert await error(app.client.chat_postMessage(channel=closed, text="x")) == "channel_not_found"
        assert (await app.client.conversations_list(types="private_channel"))["channels"] == []
        fake.invite_bot(closed)
        assert (await app.client.conversations_info(channel=closed))["channel"]["is_private"]
        fake.news.wanted.add("message.groups")
        await fake.type(ada, "hello", channel=closed, settle_s=0.1)
        event = fake.socket_mode.envelopes[-1]["payload"]["event"]
        assert (event["text"], event["channel_type"]) == ("hello", "group")
        answer = await refusal(app.client.conversations_list())
        assert (answer["error"], answer["needed"]) == ("missing_scope", "channels:read")


async def test_updates_and_deletions_of_what_is_not_ones_own():
    async with on_socket() as (fake, app, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        await fake.type(ada, "mine", channel=ops, settle_s=0.05)
        theirs = fake.messages(ops)[0].message_id
        assert (
            await error(app.client.chat_update(channel=ops, ts="1.000001", text="x")) == "message_not_found"
        )
        assert await error(app.client.chat_update(channel=ops, ts=theirs, text="x")) == "cant_update_message"
        assert await error(app.client.chat_delete(channel=ops, ts=theirs)) == "cant_delete_message"
        private = await app.client.chat_postEphemeral(channel=ops, user=ada, text="psst")
        assert (
            await error(app.client.chat_update(channel=ops, ts=private["message_ts"], text="x"))
            == "message_not_found"
        )
        assert (
            await error(app.client.chat_postEphemeral(channel=ops, user="U404", text="x"))
            == "user_not_in_channel"
        )
        assert [s.text for s in fake.private(ada)] == ["psst"]


async def test_an_update_keeps_what_it_does_not_name():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        blocks = [{"type": "section", "text": plain("first")}]
        bar = [{"text": "in a bar"}]
        posted = await app.client.chat_postMessage(channel=ops, text="x", blocks=blocks, attachments=bar)
        changed = [{"type": "section", "text": plain("second")}]
        await app.client.chat_update(channel=ops, ts=posted["ts"], text="x", blocks=changed)
        assert (fake.messages(ops)[0].text, fake.messages(ops)[0].edits) == ("second\nin a bar", 1)
        assert fake.problems() == ()


async def test_an_update_with_text_alone_removes_blocks_and_is_a_problem():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        blocks = [{"type": "section", "text": plain("first")}]
        posted = await app.client.chat_postMessage(channel=ops, text="x", blocks=blocks)
        await app.client.chat_update(channel=ops, ts=posted["ts"], text="second")
        assert fake.messages(ops)[0].text == "second"
        assert "text alone for a message with blocks" in fake.problems()[0]


async def test_an_update_names_direct_messages_by_their_id():
    async with on_socket() as (fake, app, _, _):
        ada = fake.add_person("ada")
        posted = await app.client.chat_postMessage(channel=ada, text="x")
        by_person = app.client.chat_update(channel=ada, ts=posted["ts"], text="y")
        assert await error(by_person) == "channel_not_found"
        await app.client.chat_update(channel=posted["channel"], ts=posted["ts"], text="y")
        assert fake.direct(ada)[0].text == "y"


async def test_threads_hold_replies_and_the_channel_does_not():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        parent = (await app.client.chat_postMessage(channel=ops, text="parent"))["ts"]
        await app.client.chat_postMessage(channel=ops, text="reply", thread_ts=parent)
        await app.client.chat_postMessage(
            channel=ops, text="shown in both", thread_ts=parent, reply_broadcast=True
        )
        assert [s.text for s in fake.messages(ops)] == ["parent", "shown in both"]
        assert [(s.text, s.thread) for s in fake.thread(parent)] == [
            ("reply", parent),
            ("shown in both", parent),
        ]
        told = (await app.client.conversations_replies(channel=ops, ts=parent))["messages"]
        assert [m["text"] for m in told] == ["parent", "reply", "shown in both"]
        assert told[0]["reply_count"] == 2
        assert await error(app.client.conversations_replies(channel=ops, ts="1.000001")) == "thread_not_found"
        assert (
            await error(app.client.chat_postMessage(channel=ops, text="x", thread_ts="1.000001"))
            == "thread_not_found"
        )


async def test_history_comes_newest_first_and_in_pages():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        for number in range(3):
            await app.client.chat_postMessage(channel=ops, text=str(number))
        first = await app.client.conversations_history(channel=ops, limit=2)
        assert ([m["text"] for m in first["messages"]], first["has_more"]) == (["2", "1"], True)
        cursor = first["response_metadata"]["next_cursor"]
        second = await app.client.conversations_history(channel=ops, limit=2, cursor=cursor)
        assert ([m["text"] for m in second["messages"]], second["has_more"]) == (["0"], False)
        newer = await app.client.conversations_history(channel=ops, oldest=first["messages"][1]["ts"])
        assert [m["text"] for m in newer["messages"]] == ["2"]


async def test_people_and_channels_can_be_looked_up():
    async with on_socket() as (fake, app, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        assert (await app.client.users_info(user=ada))["user"]["name"] == "ada"
        assert await error(app.client.users_info(user="U404")) == "user_not_found"
        assert {m["name"] for m in (await app.client.users_list())["members"]} == {"watchkeeper", "ada"}
        assert ada in (await app.client.conversations_members(channel=ops))["members"]
        assert (await app.client.conversations_info(channel=ops))["channel"]["name"] == "ops"
        assert [c["id"] for c in (await app.client.conversations_list())["channels"]] == [ops]
        direct = (await app.client.conversations_open(users=ada))["channel"]["id"]
        assert (await app.client.chat_postMessage(channel=ada, text="x"))["channel"] == direct
        assert (await app.client.team_info())["team"]["domain"] == "fake-workspace"
        assert (await app.client.bots_info(bot="B0FAKE001"))["bot"]["user_id"] == "U0FAKEBOT"
        assert fake.problems() == ()


async def test_files_arrive_in_three_steps_under_one_message():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        await app.client.files_upload_v2(
            channel=ops, filename="report.html", content="<p>report</p>", initial_comment="The report."
        )
        (shown,) = fake.messages(ops)
        assert shown.text == "The report."
        assert [(a.name, a.size_bytes) for a in shown.attachments] == [("report.html", 13)]
        assert [u.data for u in fake.workspace.uploads.values()] == [b"<p>report</p>"]
        assert fake.problems() == ()


async def test_a_file_without_its_bytes_cannot_be_shared():
    async with on_socket() as (_, app, _, _):
        url = await app.client.files_getUploadURLExternal(filename="x.txt", length=3)
        assert (
            await error(app.client.files_completeUploadExternal(files=[{"id": url["file_id"], "title": "x"}]))
            == "file_not_found"
        )


async def test_reactions_and_links():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        ts = (await app.client.chat_postMessage(channel=ops, text="x"))["ts"]
        await app.client.reactions_add(channel=ops, timestamp=ts, name="eyes")
        assert (
            await error(app.client.reactions_add(channel=ops, timestamp=ts, name="eyes")) == "already_reacted"
        )
        await app.client.reactions_remove(channel=ops, timestamp=ts, name="eyes")
        assert (
            await error(app.client.reactions_remove(channel=ops, timestamp=ts, name="eyes")) == "no_reaction"
        )
        link = (await app.client.chat_getPermalink(channel=ops, message_ts=ts))["permalink"]
        assert link == f"https://fake-workspace.slack.com/archives/{ops}/p{ts.replace('.', '')}"


async def test_a_trigger_opens_one_modal_within_three_seconds():
    now = [1_800_000_000.0]
    async with on_socket(clock=lambda: now[0]) as (fake, app, heard, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        await fake.type(ada, "/form", channel=ops)
        assert await error(app.client.views_open(trigger_id=heard[0], view=FORM)) == "exchanged_trigger_id"
        assert await error(app.client.views_open(trigger_id="1.2.3", view=FORM)) == "invalid_trigger_id"
        late = fake._desk.modals.new_trigger(ada)
        now[0] += 3.1
        assert await error(app.client.views_open(trigger_id=late, view=FORM)) == "expired_trigger_id"


async def test_a_modal_is_exchanged_by_id_unless_it_changed_meanwhile():
    async with on_socket() as (fake, app, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        form = (await fake.type(ada, "/form", channel=ops)).modal
        other = {**FORM, "title": plain("Other")}
        answer = await app.client.views_update(view_id=form.handle, view=other)
        assert answer["view"]["title"]["text"] == "Other"
        assert (
            await error(app.client.views_update(view_id=form.handle, hash="h0", view=other))
            == "hash_conflict"
        )
        assert await error(app.client.views_update(view_id="V404", view=other)) == "not_found"
        push = app.client.views_push(trigger_id=fake._desk.modals.new_trigger(ada), view=other)
        assert await error(push) == "not_found"


async def test_a_home_tab_can_be_read():
    async with on_socket() as (fake, app, _, _):
        ada = fake.add_person("ada")
        await app.client.views_publish(
            user_id=ada, view={"type": "home", "blocks": [{"type": "header", "text": plain("Hello")}]}
        )
        assert fake.home(ada) == "Hello"


async def test_arguments_slack_would_overlook_are_a_problem():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        await app.client.api_call("chat.postMessage", json={"channel": ops, "text": "x", "colour": "red"})
        assert fake.problems() == ("chat.postMessage: colour is no argument of it",)


async def test_forms_and_json_say_the_same():
    async with on_socket() as (fake, app, _, _):
        ops = fake.add_channel("ops")
        blocks = '[{"type": "header", "text": {"type": "plain_text", "text": "from a form"}}]'
        await app.client.api_call("chat.postMessage", data={"channel": ops, "text": "x", "blocks": blocks})
        assert fake.messages(ops)[0].text == "from a form"
