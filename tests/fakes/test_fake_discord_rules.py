"""The fake Discord's rules: each limit at its edge."""

import pytest

from simulator.fakes.fake_discord import FakeDiscord, HandClock
from simulator.fakes.fake_discord.command_rules import check_command, check_commands
from simulator.fakes.fake_discord.component_rules import check_modal
from simulator.fakes.fake_discord.message_rules import check_message
from simulator.fakes.fake_discord.rates import MOST_INVALID, Meter, Rates
from simulator.fakes.fake_discord.refusals import Form, Refused
from simulator.fakes.fake_discord.rest import Call
from simulator.fakes.fake_discord.rest_commands import CREATES_A_DAY, command_routes
from simulator.fakes.fake_discord.world import COMPONENTS_V2
from tests.fakes.discord_bodies import button, command, embed, option, row, select, text


def faults(errors, path=""):
    """Return the faults of a form, as path and code."""
    found = {(path.strip("."), one["code"]) for one in errors.get("_errors", [])}
    for name, inside in errors.items():
        if name != "_errors":
            found |= faults(inside, f"{path}.{name}")
    return found


def refused_message(body, **options):
    with pytest.raises(Refused) as caught:
        check_message(body, files=0, **options)
    assert (caught.value.status, caught.value.code) == (400, 50035)
    return faults(caught.value.errors)


FITTING = [
    {"content": "x" * 2000},
    {"embeds": [embed(title="x" * 256, description="x" * 4096)]},
    {"embeds": [embed(fields=[{"name": "n" * 100, "value": "v" * 130}] * 25)]},
    {"embeds": [embed(footer={"text": "x" * 2048}), embed(author={"name": "x" * 256})]},
    {"embeds": [embed()] * 10},
    {"components": [row(*(button(custom_id=f"{n}{m}") for m in range(5))) for n in range(5)]},
    {"components": [row(button(label="x" * 80, custom_id="x" * 100))]},
    {"components": [row(button(style=5, custom_id=None, url="https://example.org"))]},
    {"components": [row(select(options=[{"label": str(n), "value": str(n)} for n in range(25)]))]},
    {"flags": COMPONENTS_V2, "components": [text("x" * 4000)]},
    {"content": "x", "allowed_mentions": {"parse": ["roles"], "users": ["1"]}},
]


@pytest.mark.parametrize("body", FITTING, ids=range(len(FITTING)))
def test_a_message_at_its_limits_is_taken(body):
    check_message(body, files=0)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"content": "x" * 2001}, ("content", "BASE_TYPE_MAX_LENGTH")),
        ({"content": 5}, ("content", "STRING_TYPE_CONVERT")),
        ({"embeds": [embed()] * 11}, ("embeds", "BASE_TYPE_MAX_LENGTH")),
        ({"embeds": [{}]}, ("embeds.0.description", "BASE_TYPE_REQUIRED")),
        ({"embeds": [embed(title="x" * 257)]}, ("embeds.0.title", "BASE_TYPE_MAX_LENGTH")),
        ({"embeds": [embed(description="x" * 4097)]}, ("embeds.0.description", "BASE_TYPE_MAX_LENGTH")),
        ({"embeds": [embed(footer={"text": "x" * 2049})]}, ("embeds.0.footer.text", "BASE_TYPE_MAX_LENGTH")),
        ({"embeds": [embed(author={"name": "x" * 257})]}, ("embeds.0.author.name", "BASE_TYPE_MAX_LENGTH")),
        (
            {"embeds": [embed(fields=[{"name": "n", "value": "v"}] * 26)]},
            ("embeds.0.fields", "BASE_TYPE_MAX_LENGTH"),
        ),
        (
            {"embeds": [embed(fields=[{"name": "n" * 257, "value": "v"}])]},
            ("embeds.0.fields.0.name", "BASE_TYPE_MAX_LENGTH"),
        ),
        (
            {"embeds": [embed(fields=[{"name": "n", "value": "v" * 1025}])]},
            ("embeds.0.fields.0.value", "BASE_TYPE_MAX_LENGTH"),
        ),
        (
            {"embeds": [embed(fields=[{"name": "n", "value": ""}])]},
            ("embeds.0.fields.0.value", "BASE_TYPE_REQUIRED"),
        ),
        (
            {"embeds": [{"description": "x" * 3000}, {"description": "x" * 3001}]},
            ("embeds", "MAX_EMBED_SIZE_EXCEEDED"),
        ),
        ({"embeds": [embed(url="ftp://x")]}, ("embeds.0.url", "URL_TYPE_INVALID_SCHEME")),
        ({"embeds": [embed(color=1 << 24)]}, ("embeds.0.color", "NUMBER_TYPE_MAX")),
        ({"components": [row(button())] * 6}, ("components", "BASE_TYPE_MAX_LENGTH")),
        (
            {"components": [row(*(button(custom_id=str(n)) for n in range(6)))]},
            ("components.0.components", "BASE_TYPE_BAD_LENGTH"),
        ),
        ({"components": [row()]}, ("components.0.components", "BASE_TYPE_BAD_LENGTH")),
        ({"components": [row(button(), button())]}, ("components", "COMPONENT_CUSTOM_ID_DUPLICATED")),
        (
            {"components": [row(button(label="x" * 81))]},
            ("components.0.components.0.label", "BASE_TYPE_MAX_LENGTH"),
        ),
        (
            {"components": [row(button(custom_id="x" * 101))]},
            ("components.0.components.0.custom_id", "BASE_TYPE_BAD_LENGTH"),
        ),
        (
            {"components": [row(button(custom_id=None))]},
            ("components.0.components.0.custom_id", "BASE_TYPE_REQUIRED"),
        ),
        ({"components": [row(button(style=9))]}, ("components.0.components.0.style", "BASE_TYPE_CHOICES")),
        (
            {"components": [row(button(style=5, url="https://x"))]},
            ("components.0.components.0.custom_id", "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE"),
        ),
        ({"components": [row(button(label=None))]}, ("components.0.components.0", "BUTTON_COMPONENT_EMPTY")),
        (
            {"components": [row(select(), button())]},
            ("components.0.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
        ),
        (
            {"components": [row(select(options=[{"label": str(n), "value": str(n)} for n in range(26)]))]},
            ("components.0.components.0.options", "BASE_TYPE_BAD_LENGTH"),
        ),
        (
            {"components": [row(select(options=[{"label": "x", "value": "1"}] * 2))]},
            ("components.0.components.0.options.1.value", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED"),
        ),
        ({"components": [text("x")]}, ("components.0.type", "BASE_TYPE_CHOICES")),
        (
            {"flags": COMPONENTS_V2, "components": [text("x")], "content": "x"},
            ("content", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
        ),
        (
            {"flags": COMPONENTS_V2, "components": [text("x" * 2001), text("x" * 2000)]},
            ("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED"),
        ),
        (
            {"flags": COMPONENTS_V2, "components": [{"type": 17, "components": [text("x")] * 40}]},
            ("components", "COMPONENT_MAX_COUNT_EXCEEDED"),
        ),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            ("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"),
        ),
        ({"content": "x", "flags": "loud"}, ("flags", "NUMBER_TYPE_COERCE")),
    ],
)
def test_a_message_beyond_a_limit_is_refused_with_its_place(body, fault):
    assert fault in refused_message(body)


def test_all_faults_of_a_form_are_told_at_once():
    found = refused_message({"content": "x" * 2001, "embeds": [embed(title="x" * 257)]})
    assert {path for path, _ in found} == {"content", "embeds.0.title"}


def test_an_empty_message_is_refused_unless_a_file_comes_with_it():
    with pytest.raises(Refused) as caught:
        check_message({"content": ""}, files=0)
    assert caught.value.code == 50006
    check_message({}, files=1)


def test_an_edit_may_leave_out_what_stays_but_not_empty_the_message():
    check_message({"components": []}, files=0, kept={"content": "x"})
    with pytest.raises(Refused, match="empty message"):
        check_message({"content": None}, files=0, kept={"content": "x"})


# ------------------------------------------------------------ modals


def asked(**more):
    return row({"type": 4, "custom_id": "why", "style": 1, "label": "Why"} | more)


def modal_faults(modal):
    form = Form()
    check_modal(form, {"title": "t", "custom_id": "c", "components": [asked()]} | modal)
    return faults(form.errors)


def test_a_modal_at_its_limits_is_taken():
    inputs = [asked(custom_id=str(n), label="x" * 45, max_length=4000) for n in range(5)]
    assert modal_faults({"title": "x" * 45, "components": inputs}) == set()


@pytest.mark.parametrize(
    ("modal", "fault"),
    [
        ({"title": "x" * 46}, ("data.title", "BASE_TYPE_BAD_LENGTH")),
        ({"components": []}, ("data.components", "BASE_TYPE_BAD_LENGTH")),
        (
            {"components": [asked(custom_id=str(n)) for n in range(6)]},
            ("data.components", "BASE_TYPE_BAD_LENGTH"),
        ),
        (
            {"components": [asked(label="x" * 46)]},
            ("data.components.0.components.0.label", "BASE_TYPE_BAD_LENGTH"),
        ),
        (
            {"components": [asked(max_length=4001)]},
            ("data.components.0.components.0.max_length", "NUMBER_TYPE_MAX"),
        ),
        ({"components": [asked(), asked()]}, ("data.components", "COMPONENT_CUSTOM_ID_DUPLICATED")),
        (
            {"components": [{"type": 18, "label": "Why", "component": {"type": 2}}]},
            ("data.components.0.component.type", "BASE_TYPE_CHOICES"),
        ),
    ],
)
def test_a_modal_beyond_a_limit_is_refused_with_its_place(modal, fault):
    assert fault in modal_faults(modal)


# ------------------------------------------------------------ commands


LONG = [{"name": "x" * 100, "value": f"{number}" * 50} for number in range(9)]


def test_a_command_at_its_limits_is_taken():
    choices = [{"name": str(n), "value": str(n)} for n in range(25)]
    options = [option(name=f"o{n}", choices=choices) for n in range(25)]
    check_command(command(*options, name="kill-autonomous", description="x" * 100))
    check_command(command({"type": 2, "name": "g", "description": "d", "options": [
        {"type": 1, "name": "s", "description": "d", "options": [option()]}]}))  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (command(name="Stop"), ("name", "APPLICATION_COMMAND_INVALID_NAME")),
        (command(name="st op"), ("name", "APPLICATION_COMMAND_INVALID_NAME")),
        (command(name="x" * 33), ("name", "BASE_TYPE_BAD_LENGTH")),
        (command(description=""), ("description", "BASE_TYPE_REQUIRED")),
        (command(description="x" * 101), ("description", "BASE_TYPE_BAD_LENGTH")),
        (command(*(option(name=f"o{n}") for n in range(26))), ("options", "BASE_TYPE_MAX_LENGTH")),
        (command(option(), option()), ("options.1.name", "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS")),
        (
            command(option(), option(name="b", required=True)),
            ("options.1", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"),
        ),
        (
            command(option(choices=[{"name": str(n), "value": str(n)} for n in range(26)])),
            ("options.0.choices", "BASE_TYPE_MAX_LENGTH"),
        ),
        (
            command(option(choices=[{"name": "a", "value": "a"}], autocomplete=True)),
            ("options.0", "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE_INVALID"),
        ),
        (
            command({"type": 1, "name": "s", "description": "d"}, option()),
            ("options", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"),
        ),
        (
            command({"type": 2, "name": "g", "description": "d", "options": [option()]}),
            ("options.0.options.0.type", "BASE_TYPE_CHOICES"),
        ),
        (
            command({"type": 1, "name": "s", "description": "d", "options": [{"type": 1, "name": "t"}]}),
            ("options.0.options.0.type", "BASE_TYPE_CHOICES"),
        ),
        (
            command(option(min_value=1)),
            ("options.0.min_value", "APPLICATION_COMMAND_OPTIONS_MIN_MAX_INVALID"),
        ),
        (
            command(*(option(name=f"o{n}", choices=LONG) for n in range(7))),
            ("", "APPLICATION_COMMAND_TOO_LARGE"),
        ),
    ],
)
def test_a_command_beyond_a_limit_is_refused_with_its_place(wrong, fault):
    with pytest.raises(Refused) as caught:
        check_command(wrong)
    assert fault in faults(caught.value.errors)


def test_two_commands_of_one_name_are_refused():
    with pytest.raises(Refused) as caught:
        check_commands([command(), command()])
    assert ("1.name", "APPLICATION_COMMANDS_DUPLICATE_NAME") in faults(caught.value.errors)


def test_two_hundred_commands_may_be_created_in_a_day():
    clock = HandClock()
    fake = FakeDiscord(clock=clock)
    routes = {f"{one.method} {one.template}": one.handler for one in command_routes(fake.happenings)}
    put = routes["PUT /applications/{application_id}/commands"]

    def register(name):
        match = {"application_id": fake.world.application}
        put(Call(method="PUT", path="", query={}, match=match, body=[command(name=name)], uploads={}))

    for number in range(CREATES_A_DAY):
        register(f"c{number}")
    register(f"c{CREATES_A_DAY - 1}")  # the same again creates nothing
    with pytest.raises(Refused) as caught:
        register("one-more")
    assert caught.value.code == 30034
    clock.advance(86_401)
    register("one-more")


# ------------------------------------------------------------ calling too often


def test_who_calls_wrongly_too_often_is_shut_out_for_ten_minutes():
    now = [0.0]
    meter = Meter(Rates(), lambda: now[0])
    for _ in range(MOST_INVALID - 1):
        meter.count_invalid()
    assert not meter.is_banned
    meter.count_invalid()
    assert meter.is_banned
    now[0] = 600.0
    assert not meter.is_banned


def test_a_bucket_is_full_again_when_its_window_ends():
    now = [0.0]
    meter = Meter(Rates(calls=2, per_s=5.0), lambda: now[0])
    assert [meter.take("GET /x", "1", counts_for_all=True).retry_after_s for _ in range(3)] == [0, 0, 5.0]
    assert meter.take("GET /x", "2", counts_for_all=True).retry_after_s == 0
    now[0] = 5.0
    assert meter.take("GET /x", "1", counts_for_all=True).headers["X-RateLimit-Remaining"] == "1"
