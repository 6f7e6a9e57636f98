"""A person reads words, not markup; and a picture of a message says the same."""

import pytest

from simulator.fakes.fake_slack.screens import modal, plain, screen
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, Upload, View, Workspace
from simulator.fakes.pictures_slack import channel_page, modal_page
from tests.fakes.slack_bot import FORM, question
from tests.fakes.slack_bot import plain as words


@pytest.fixture
def workspace():
    made = Workspace(clock=lambda: 1_800_000_000.25)
    made.ada, made.ops = made.add_person("ada"), made.add_channel("ops")
    return made


def posted(workspace, **fields):
    return workspace.post(channel=workspace.ops.id, author=BOT_USER_ID, **fields)


@pytest.mark.parametrize(
    ("marked", "read"),
    [
        ("*bold* _italic_ ~gone~ *_both_*", "bold italic gone both"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("`*kept*` and ```\n_kept_\n```", "*kept* and _kept_"),
        ("<https://example.com|the page> <https://example.com/x>", "the page https://example.com/x"),
        ("<@U404> <!here> <!subteam^S1|@captains>", "@U404 @here @captains"),
        ("<!date^1^{date}|1 January>", "1 January"),
        ("&lt;b&gt; &amp; &amp;lt;", "<b> & &lt;"),
        ("&gt; quoted\nnot", "quoted\nnot"),
    ],
)
def test_markup_is_taken_away_and_words_are_kept(workspace, marked, read):
    assert plain(marked, workspace) == read


def test_mentions_read_as_names(workspace):
    assert plain(f"<@{workspace.ada.id}> in <#{workspace.ops.id}>", workspace) == "@ada in #ops"


def test_blocks_replace_text_and_attachments_follow(workspace):
    message = posted(
        workspace,
        text="only a notification says this",
        blocks=question(workspace.ada.id),
        attachments=[
            {"title": "Old", "text": "*style*", "fields": [{"title": "cost", "value": "1"}], "footer": "end"},
            {"blocks": [{"type": "section", "text": words("in a bar")}]},
        ],
        files=[Upload(id="F1", name="report.html", size=13)],
    )
    shown = screen(message, workspace)
    assert shown.text.split("\n") == [
        "Restart unit-7?", "Risk is low, cost $0.02 for @ada", "Old", "style", "cost", "1", "end", "in a bar",
    ]  # fmt: skip
    assert [b.label for b in shown.buttons] == ["Approve", "Deny", "Later"]
    assert (shown.author, shown.attachments[0].name) == ("watchkeeper", "report.html")


def test_every_kind_of_block_can_be_read(workspace):
    blocks = [
        {"type": "divider"},
        {
            "type": "context",
            "elements": [{"type": "mrkdwn", "text": "*a*"}, {"type": "image", "alt_text": "icon"}],
        },
        {"type": "section", "fields": [words("left"), words("right")]},
        {"type": "image", "alt_text": "a chart"},
        {"type": "markdown", "text": "# Title\n**strong** [page](https://example.com)"},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}, {"type": "raw_text", "text": "y"}]]},
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "text", "text": "hello "},
                        {"type": "user", "user_id": workspace.ada.id},
                        {"type": "emoji", "name": "wave"},
                        {"type": "link", "url": "https://example.com"},
                    ],
                }
            ],
        },
    ]
    assert screen(posted(workspace, blocks=blocks), workspace).text.split("\n") == [
        "a  icon", "left", "right", "a chart", "Title", "strong page", "x | y",
        "hello @ada:wave:https://example.com",
    ]  # fmt: skip


def view(**errors):
    return View(id="V1", account="U1", content=FORM, hash="h", root="V1", errors=errors)


def test_a_modal_reads_as_a_form(workspace):
    form = modal(view(why="say more"), workspace)
    assert (form.title, form.text) == ("Why?", "You deny d-1.")
    assert [(f.label, f.problem) for f in form.fields] == [("Reason", "say more"), ("Scope", "")]


def test_a_picture_stands_alone_and_escapes_what_people_wrote(workspace):
    asked = posted(workspace, blocks=question(workspace.ada.id), edits=1)
    posted(workspace, text="<script>alert(1)</script> <https://example.com|x<b>", thread_ts=asked.ts, edits=1)
    page = channel_page(workspace, workspace.ops.id, [asked])
    assert "<b>Risk</b> is <i>low</i>, cost <code>$0.02</code>" in page
    assert '<span class="button primary">Approve</span>' in page
    assert 'class="message bot reply"' in page
    assert page.count("(edited)") == 1
    assert "<script" not in page
    for loads in ("http-equiv", "src=", "href=", "url("):
        assert loads not in page


def test_a_picture_of_a_modal_shows_what_it_complains_of(workspace):
    page = modal_page(view(why="say <more>"), workspace)
    assert '<div class="problem">say &lt;more&gt;</div>' in page
    assert "<h2>Why?</h2>" in page


def test_a_private_message_says_so_in_its_picture(workspace):
    page = channel_page(workspace, workspace.ops.id, [posted(workspace, text="psst", to=workspace.ada.id)])
    assert "Only visible to you" in page
