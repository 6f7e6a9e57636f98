"""The command language: what is read is what was meant, and what is wrong is said with its cure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.commands import catalogue as c
from engine.commands.catalogue import LANGUAGE
from engine.commands.desk import ACTS, PREVIEWS
from engine.commands.model import LINE_MOST
from engine.errors import InputError

DECISION = "d_7e566b8fac673f6"
WORD = st.text(st.characters(categories=("L", "N"), max_codepoint=0x2FF), min_size=1, max_size=12)
PROSE = st.lists(WORD, min_size=1, max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/status", c.Status()),
        ("status", c.Status()),
        ("  /STATUS  ", c.Status()),
        ("/canary promote heal@2 looks good", c.CanaryPromote(capability="heal@2", reason="looks good")),
        ('/canary pause "two words" why not', c.CanaryPause(capability="two words", reason="why not")),
        ("/deny reason=no " + f"decision_id={DECISION}", c.Deny(decision_id=DECISION, reason="no")),
        (f'/deny {DECISION} "in quotes"', c.Deny(decision_id=DECISION, reason="in quotes")),
        (f"/captain-override {DECISION} veto", c.Override(decision_id=DECISION, word="veto")),
        ("/resume-autonomous agent:x it is well", c.Resume(scope="agent:x", reason="it is well")),
    ],
)
def test_a_line_is_read_as_it_was_meant(line, command):
    assert LANGUAGE.parse(line) == command


@pytest.mark.parametrize(
    ("line", "scope", "reason"),
    [
        ("/kill-autonomous", "all", ""),
        ("/kill-autonomous all", "all", ""),
        ("/kill-autonomous agent:coder-1 it loops", "agent:coder-1", "it loops"),
        ("/kill-autonomous it loops", "all", "it loops"),
        ("/kill-autonomous agent: what", "all", "agent: what"),
        ('/kill-autonomous "unclosed', "all", '"unclosed'),
    ],
)
def test_whoever_stops_need_not_mind_their_words(line, scope, reason):
    command = LANGUAGE.parse(line)
    assert isinstance(command, c.Kill)
    assert (command.scope, command.reason) == (scope, reason)


@given(st.text())
def test_no_reason_keeps_a_stop_from_being_read(reason):
    assert isinstance(LANGUAGE.parse(f"/kill-autonomous {reason}"), c.Kill)


def test_a_stop_is_read_however_long_its_reason_is():
    assert isinstance(LANGUAGE.parse("/kill-autonomous " + "a" * LINE_MOST * 2), c.Kill)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "nothing was said"),
        ("/statsu", "did you mean /status?"),
        ("/canary", "say one of /canary status"),
        ("/canary frobnicate", "/canary frobnicate is not all of a command"),
        ("/explain", "it needs decision_id"),
        ("/explain me", "'me' is no decision; copy the whole id"),
        (f"/explain {DECISION} twice", "'twice' is more than it takes"),
        (f"/captain-override {DECISION} maybe", "should be 'veto' or 'allow'"),
        ("/resume-autonomous all", "it needs reason"),
        ("/resume-autonomous everything now", "write all, agent:NAME"),
        ('/canary pause "heal', "a quote is never closed"),
        (f"/deny {DECISION} decision_id={DECISION}", ""),
        ("/status " + "a" * LINE_MOST, "letters"),
    ],
)
def test_what_is_wrong_is_said_with_its_cure(line, said):
    if not said:
        assert LANGUAGE.parse(line).reason == f"decision_id={DECISION}"
        return
    with pytest.raises(InputError) as refused:
        LANGUAGE.parse(line)
    assert said in str(refused.value)
    assert refused.value.cure


@given(WORD, PROSE)
def test_a_command_written_as_a_line_is_read_as_the_same_command(name, reason):
    command = c.CanaryPromote(capability=name, reason=reason)
    assert LANGUAGE.parse(command.line()) == command


@pytest.mark.parametrize("kind", LANGUAGE.commands, ids=lambda kind: kind.words)
def test_every_command_says_what_it_does_and_what_it_takes(kind):
    assert kind.summary().endswith(".")
    assert all(each.description for each in kind.arguments())
    assert kind in ACTS or kind in {c.Help, c.Yes, c.No, c.Code}


@pytest.mark.parametrize("kind", LANGUAGE.commands, ids=lambda kind: kind.words)
def test_what_asks_first_shows_what_will_happen(kind):
    assert (kind in PREVIEWS) == kind.asks_first
    assert not kind.asks_first or kind.changes


def test_a_stop_never_asks_first():
    assert not c.Kill.asks_first


@pytest.mark.parametrize(
    ("typed", "argument", "begun"),
    [
        ("/explain d_", "decision_id", "d_"),
        ("/explain ", "decision_id", ""),
        ("/canary promote he", "capability", "he"),
        ("/canary promote heal@2 be", "reason", "be"),
        ("/captain-override d_1 v", "word", "v"),
        ("/status", None, "status"),
        ("/stat", None, "stat"),
    ],
)
def test_what_is_being_typed_is_known(typed, argument, begun):
    _, found, left = LANGUAGE.pending(typed)
    assert (found.name if found else None, left) == (argument, begun)


@pytest.mark.parametrize(
    ("line", "values", "reason"),
    [
        (
            f"/approve {DECISION} with cost=20 to=web it is enough",
            {"cost": "20", "to": "web"},
            "it is enough",
        ),
        (f'change {DECISION} body="two words" ', {"body": "two words"}, ""),
        (f"approve {DECISION} WITH sql='a = b' x=", {"sql": "a = b", "x": ""}, ""),
    ],
)
def test_a_change_is_said_behind_an_approval_or_by_itself(line, values, reason):
    said = LANGUAGE.parse(line)
    assert type(said).__name__ == "Change"
    assert (said.values, said.reason) == (values, reason)
    assert LANGUAGE.parse(said.line()) == said


@pytest.mark.parametrize("rest", ["with a heavy heart", 'reason="with cost=20"', "cost=20"])
def test_nothing_is_approved_unchanged_that_was_to_be_changed(rest):
    with pytest.raises(InputError, match="change"):
        LANGUAGE.parse(f"/approve {DECISION} {rest}")
