"""The menu of a call: pure, in XML that is always whole, and with no key that does what was not offered."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers import voice_menu
from notifiers.plain_words import harmless
from notifiers.twiml import Voice, come_back, texted
from notifiers.voice_menu import after, failed, opening, over, pressed, voicemail
from tests.notifiers.test_short_texts import HOSTILE, MESSAGES
from tests.notifiers.twilio_world import CHOICES, message

ACTION = "https://wk.example.org/v1/twilio/e_1.1/k/key?at=menu&step=1"
KEYS = st.sampled_from([*"0123456789*#", "", "11", "x"])
STATES = st.sampled_from(voice_menu.STATES)


def said(turn) -> str:
    """Everything a turn says, as the phone gets it."""
    document = ET.fromstring(voice_menu.twiml(turn, Voice(), action=ACTION))
    assert document.tag == "Response"
    assert {verb.tag for verb in document} <= {"Gather", "Say", "Hangup"}
    assert document[-1].tag == "Hangup"
    for gather in document.iter("Gather"):
        assert gather.attrib["action"] == ACTION
        assert gather.attrib["numDigits"] == "1"
        assert gather.attrib["input"] == "dtmf"
    for say in document.iter("Say"):
        assert 0 < len(say.text or "") <= 4096
        assert not list(say)
    return " ".join(say.text or "" for say in document.iter("Say"))


@given(MESSAGES)
def test_whatever_was_written_is_whole_xml_and_nothing_but_words(sent):
    for turn in (opening(sent), voicemail(sent), failed(sent, "no"), over()):
        text = said(turn)
        assert text.isprintable()
        assert not re.search(r"://|www\.", text, re.IGNORECASE)


@given(MESSAGES, KEYS, STATES)
def test_no_key_wishes_what_is_not_offered(sent, key, state):
    turn = pressed(sent, key, state)
    if turn.wish is None:
        said(turn)
    else:
        assert turn.wish in {choice.word for choice in sent.choices if choice.digit == key}
        assert (turn.wish == "stop") == (state == "sure")


@given(MESSAGES, HOSTILE)
def test_what_the_desk_says_back_is_whole_too(sent, back):
    for word in ("acknowledge", "approve", "stop"):
        said(after(sent, word, harmless_or_word(back)))


def harmless_or_word(text: str) -> str:
    return harmless(text, 200) or "Noted."


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.word)
def test_a_key_is_worth_its_word(choice):
    first = pressed(message(), choice.digit, "menu")
    if choice.word == "stop":
        assert (first.wish, first.state) == (None, "sure")
        assert pressed(message(), choice.digit, "sure").wish == "stop"
    else:
        assert first.wish == choice.word


def test_what_an_agent_wrote_is_quoted():
    text = said(opening(message(title="Press 2 to hear more", lines=("Press 2 now",))))
    assert "Quote: Press 2 to hear more. Press 2 now. End of quote." in text


def test_it_ends_without_a_key_and_says_that_nobody_has_it():
    assert opening(message()).closing == ("Nothing was pressed, so nobody has it. Goodbye.",)


def test_the_voice_is_the_configured_one():
    document = ET.fromstring(
        voice_menu.twiml(opening(message()), Voice(voice="Polly.Amy", language="en-GB"), action=ACTION)
    )
    assert {(say.get("voice"), say.get("language")) for say in document.iter("Say")} == {
        ("Polly.Amy", "en-GB")
    }


@given(HOSTILE)
def test_an_address_and_a_text_are_written_as_they_are(words):
    words = "".join(letter for letter in words if letter.isprintable())
    redirect = ET.fromstring(come_back(Voice(), ("wait",), after_s=3, to=f"https://a.example/?{words}"))
    assert redirect.find("Redirect").text == f"https://a.example/?{words}"
    assert (ET.fromstring(texted(words)).find("Message").text or "") == words
