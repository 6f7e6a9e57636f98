"""The real slack-bolt in Socket Mode cannot tell the fake Slack from the real one."""

import copy

import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from simulator.fakes.fake_slack import FakeSlack
from tests.fakes.slack_bot import MANIFEST, on_socket, plain

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def joined():
    async with on_socket() as parts:
        fake, app, heard, _ = parts
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        yield fake, app, heard, ada, ops


async def test_a_command_is_answered_by_a_message_in_its_channel(joined):
    fake, _, _, ada, ops = joined
    answer = await fake.type(ada, "/ask", channel=ops)
    (shown,) = answer.screens
    assert shown.text == "Restart unit-7?\nRisk is low, cost $0.02 for @ada"
    assert [(b.label, b.style) for b in shown.buttons] == [
        ("Approve", "good"),
        ("Deny", "danger"),
        ("Later", "plain"),
    ]
    assert fake.messages(ops) == (shown,)
    assert 0 < answer.ack_s < 1
    assert not answer.failed
    assert fake.problems() == ()


async def test_an_acknowledgement_with_words_is_private(joined):
    fake, _, _, ada, ops = joined
    answer = await fake.type(ada, "/twice x", channel=ops)
    assert [(s.text, s.private) for s in answer.screens] == [("heard 1 times", True)]
    assert fake.messages(ops) == ()
    assert fake.private(ada) == answer.screens


async def test_a_late_answer_to_a_command_takes_nothings_place(joined):
    fake, _, _, ada, ops = joined
    await fake.type(ada, "/slow", channel=ops)
    await fake.until(lambda: [s.text for s in fake.private(ada)] == ["working on it", "done"])
    assert fake.problems() == ("response_url: a command has no original; Slack posts a new message",)


async def test_a_late_answer_to_a_button_can_take_the_place_of_its_message(joined):
    fake, app, heard, ada, ops = joined

    @app.action("keep")
    async def keep(ack, body):
        await ack()
        heard.append(body["response_url"])

    button = {"type": "button", "action_id": "keep", "text": plain("Keep")}
    blocks = [{"type": "actions", "elements": [button]}]
    posted = await app.client.chat_postMessage(channel=ops, text="x", blocks=blocks)
    await fake.press(ada, posted["ts"], "Keep", settle_s=0.1)
    url = await heard.wait(lambda note: str(note).startswith("http"))
    await AsyncWebhookClient(url).send(text="taken", replace_original=True)
    assert [(s.text, s.edits, s.buttons) for s in fake.messages(ops)] == [("taken", 1, ())]
    await AsyncWebhookClient(url).send(delete_original=True)
    assert fake.messages(ops) == ()


async def test_an_answer_that_says_more_will_come_is_waited_on():
    async with on_socket(quiet_s=0.01, is_unfinished=lambda s: s.text.endswith("…")) as (fake, _, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        answer = await fake.type(ada, "/patience", channel=ops)
        assert answer.text == "here it is"


async def test_in_channel_is_for_everybody(joined):
    fake, _, _, ada, ops = joined
    await fake.type(ada, "/public", channel=ops)
    assert [s.text for s in fake.messages(ops)] == ["everybody sees this"]


async def test_a_command_that_is_not_registered_reaches_nobody(joined):
    fake, _, _, ada, ops = joined
    with pytest.raises(LookupError, match="/unknown is not a valid command"):
        await fake.type(ada, "/unknown x", channel=ops)
    with pytest.raises(LookupError, match="/ask is not supported in threads"):
        await fake.type(ada, "/ask", channel=ops, thread="1.000001")


async def test_a_button_edits_its_message_in_place(joined):
    fake, _, heard, ada, ops = joined
    asked = (await fake.type(ada, "/ask", channel=ops)).screens[0]
    answer = await fake.press(ada, asked.message_id, "Approve")
    (shown,) = answer.screens
    assert (shown.message_id, shown.text, shown.edits, shown.buttons) == (
        asked.message_id,
        "Approved by ada",
        1,
        (),
    )
    assert ("approve", ada, "d-1") in heard
    with pytest.raises(LookupError, match="no button 'Approve'"):
        await fake.press(ada, asked.message_id, "Approve")


async def test_declining_a_dialog_tells_its_words_and_nothing_else_happens(joined):
    fake, _, heard, ada, ops = joined
    asked = (await fake.type(ada, "/ask", channel=ops)).screens[0]
    assert await fake.cancel(ada, asked.message_id, "Approve") == "Approve?\nIt restarts one unit."
    assert await fake.cancel(ada, asked.message_id, "Deny") == ""
    assert not [one for one in heard if one[0] == "approve"]


async def test_a_late_answer_to_a_button_is_private(joined):
    fake, _, _, ada, ops = joined
    asked = (await fake.type(ada, "/ask", channel=ops)).screens[0]
    answer = await fake.press(ada, asked.message_id, "Later")
    assert [(s.text, s.private) for s in answer.screens] == [("asking again later", True)]


async def test_a_modal_shows_its_errors_and_then_sends(joined):
    fake, _, _, ada, ops = joined
    form = (await fake.type(ada, "/form", channel=ops)).modal
    assert (form.title, form.text) == ("Why?", "You deny d-1.")
    assert [(f.label, f.required, f.longest) for f in form.fields] == [
        ("Reason", True, 200),
        ("Scope", False, 3000),
    ]
    refused = await fake.fill(ada, form, {"Reason": "no"})
    assert refused.modal.fields[0].problem == "say more"
    sent = await fake.fill(ada, refused.modal, {"Reason": "too risky", "Scope": "trader"})
    assert sent.modal is None
    assert sent.text == "denied d-1: too risky (trader)"
    assert fake.direct(ada) == sent.screens
    assert fake.problems() == ()


async def test_a_form_refuses_by_itself_what_is_missing_or_too_long(joined):
    fake, _, _, ada, ops = joined
    form = (await fake.type(ada, "/form", channel=ops)).modal
    empty = await fake.fill(ada, form, {})
    assert empty.modal.fields[0].problem == "Please complete this required field."
    long = await fake.fill(ada, form, {"Reason": "x" * 201})
    assert long.modal.fields[0].problem == "Please enter at most 200 characters."
    with pytest.raises(LookupError, match="no field Nonsense"):
        await fake.fill(ada, form, {"Nonsense": "x"})


async def test_a_modal_can_be_exchanged_stacked_and_cleared(joined):
    fake, _, _, ada, ops = joined
    form = (await fake.type(ada, "/form", channel=ops)).modal
    form = (await fake.fill(ada, form, {"Reason": "update"})).modal
    assert form.title == "Really?"
    top = (await fake.fill(ada, form, {"Reason": "stack"})).modal
    assert (top.title, top.handle != form.handle) == ("On top", True)
    assert (await fake.fill(ada, top, {"Reason": "clear"}, settle_s=0.2)).modal is None
    with pytest.raises(LookupError, match="not what stands before"):
        await fake.fill(ada, top, {"Reason": "again"})


async def test_a_modal_that_is_closed_is_told_of(joined):
    fake, _, heard, ada, ops = joined
    form = (await fake.type(ada, "/form", channel=ops)).modal
    await fake.dismiss(ada, form)
    assert await heard.wait(lambda note: note[0] == "closed") == ("closed", "d-1")


async def test_a_menu_offers_what_the_bot_offers_and_a_command_nothing(joined):
    fake, _, _, ada, ops = joined
    await fake.type(ada, "/form", channel=ops)
    assert await fake.complete(ada, "Scope: tra", channel=ops) == ("trader", "training")
    assert await fake.complete(ada, "Scope: ", channel=ops) == ()
    assert await fake.complete(ada, "/ask ", channel=ops) == ()


async def test_a_mention_is_answered_in_its_thread(joined):
    fake, _, _, ada, ops = joined
    answer = await fake.type(ada, "@watchkeeper status", channel=ops)
    (shown,) = answer.screens
    (asked,) = fake.messages(ops)
    assert (shown.text, shown.thread) == ("you said status", asked.message_id)
    assert (asked.author, asked.text) == ("ada", "@watchkeeper status")
    assert fake.thread(asked.message_id) == (shown,)


async def test_direct_messages_go_both_ways(joined):
    fake, _, _, ada, _ = joined
    answer = await fake.type(ada, "hello", channel=fake.direct_channel(ada))
    assert answer.text == "privately: hello"
    assert fake.direct(ada) == answer.screens


async def test_the_bot_hears_its_own_posts_edits_and_deletions(joined):
    fake, app, heard, _, ops = joined
    posted = await app.client.chat_postMessage(channel=ops, text="probe")
    await heard.wait(lambda note: note == (None, "channel", "B0FAKE001", "probe"))
    await app.client.chat_update(channel=ops, ts=posted["ts"], text="probe 2")
    await heard.wait(lambda note: note[0] == "message_changed")
    await fake.delete(posted["ts"])
    await heard.wait(lambda note: note[0] == "message_deleted")
    assert fake.messages(ops) == ()


async def test_the_bot_hears_that_it_was_invited_and_of_reactions(joined):
    fake, app, heard, ada, ops = joined
    fake.remove_bot(ops)
    with pytest.raises(SlackApiError, match="not_in_channel"):
        await app.client.chat_postMessage(channel=ops, text="x")
    fake.invite_bot(ops)
    await heard.wait(lambda note: note[0] == "member_joined_channel")
    posted = await app.client.chat_postMessage(channel=ops, text="x")
    fake.react(ada, posted["ts"], "eyes")
    assert await heard.wait(lambda note: note[0] == "reaction_added") == ("reaction_added", ada, "eyes")


async def test_a_command_that_asks_for_it_gets_mentions_as_ids():
    manifest = copy.deepcopy(MANIFEST)
    for command in manifest["features"]["slash_commands"]:
        command["should_escape"] = True
    async with on_socket(manifest=manifest) as (fake, _, heard, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        await fake.type(ada, "/twice @ada", channel=ops)
        assert heard == [f"<@{ada}>"]


async def test_buttons_of_an_app_that_is_not_interactive_lead_nowhere():
    manifest = copy.deepcopy(MANIFEST)
    manifest["settings"]["interactivity"] = {"is_enabled": False}
    async with on_socket(manifest=manifest) as (fake, _, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        asked = (await fake.type(ada, "/ask", channel=ops)).screens[0]
        answer = await fake.press(ada, asked.message_id, "Deny")
        assert answer.failed == "This app is not configured to handle interactive responses."


async def test_a_bot_that_says_nothing_in_time_has_failed():
    async with on_socket(ack_within_s=0.2) as (fake, _, heard, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        answer = await fake.type(ada, "/silent", channel=ops)
        assert answer.failed == '/silent failed with the error "operation_timeout"'
        assert answer.ack_s >= 0.2
        assert heard == ["silent"]


async def test_without_a_bot_a_command_cannot_be_told():
    fake = FakeSlack(manifest=MANIFEST)
    await fake.start()
    try:
        answer = await fake.type(fake.add_person("ada"), "/ask", channel=fake.add_channel("ops"))
        assert answer.failed == '/ask failed with the error "dispatch_failed"'
        with pytest.raises(TimeoutError, match="did not connect within"):
            await fake.bot_is_in(within_s=0.01)
    finally:
        await fake.close()
