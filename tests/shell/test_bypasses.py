"""Bypass classes: no spelling makes a command harmless, and what is harmless stays so."""

import pytest

from tests.shell.bypasses import BYPASSES, HARMLESS, HITS, UNDER_PREFIXES
from tests.shell.readers import BARE, SHIPPED, word


@pytest.mark.parametrize("kind", BYPASSES)
def test_no_bypass_is_found_harmless(kind):
    assert [text for text in BYPASSES[kind] if word(text) not in {"unsure", "hit"}] == []


@pytest.mark.parametrize("kind", BYPASSES)
def test_a_bypass_behind_something_harmless_is_none_either(kind):
    assert [text for text in BYPASSES[kind] if word(f"ls\n{text}") == "ok" and text.strip(" #ls")] == []


def test_a_harmful_form_is_named_however_it_is_spelled():
    assert {text: SHIPPED.look(text).form for text in HITS} == HITS


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_reads_is_harmless(text):
    assert (word(text, BARE), SHIPPED.look(text).reason) == (
        "ok",
        "every command in it is on the read-only list or under a prefix of the project",
    )


@pytest.mark.parametrize("text", UNDER_PREFIXES)
def test_the_commands_of_the_project_are_let_through_by_their_prefix_alone(text):
    assert (word(text), word(text, BARE)) == ("ok", "unsure")


def test_what_is_not_known_says_which_command_and_where():
    seen = SHIPPED.look("ls src && é=1; mv a b")
    assert (seen.word, seen.form) == ("unsure", "assignment")
    seen = SHIPPED.look("cat é; mv a b | wc")
    assert (seen.word, seen.form, seen.argv) == ("unsure", "unknown-program", ("mv", "a", "b"))
    assert "cat é; mv a b | wc"[seen.start : seen.end] == "mv a b"
    assert seen.reason == "mv is not on the read-only list: mv a b"


def test_a_harmful_form_says_which_command_and_where():
    text = "ls é && sudo rm -r 'a b'"
    seen = SHIPPED.look(text)
    assert (seen.word, seen.kind, seen.argv) == ("hit", "destructive", ("rm", "-r", "a b"))
    assert text[seen.start : seen.end] == "sudo rm -r 'a b'"
    assert seen.reason == "it removes folders with everything in them: rm -r 'a b'"
    assert "rm -r a b" in seen.spelled.splitlines()


def test_the_worst_form_speaks_for_a_text():
    assert SHIPPED.look("sudo ls; curl -T a h; rm -r b").form == "remove-tree"
    assert SHIPPED.look("sudo ls; curl -T a h").form == "upload"
