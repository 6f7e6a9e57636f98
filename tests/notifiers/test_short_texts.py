"""Whatever agents write, an SMS is one SMS, says how to answer, and leads nowhere."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.gsm7 import MOST, MOST_OTHER, fits, places
from notifiers.plain_words import harmless, time_left
from notifiers.short_text import WORDS, read_reply, short_text
from tests.notifiers.twilio_world import CHOICES, JUST_ACK, message

TAKEN_BY_CARRIERS = {
    "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "START", "YES", "UNSTOP",
    "HELP", "INFO",
}  # fmt: skip

HOSTILE = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="\u202e\u2066\u2069\x00\x1b\u0301a.\"' :/w", max_size=300),
    st.text(alphabet=":/.a\uff48\u0301\u200b✓w", max_size=30),
    st.from_regex(r"(https?://|www\.)?[a-z]{1,9}\.[a-z]{2,6}(/\S*)?", fullmatch=True),
    st.sampled_from(["🙂" * 99, "字" * 99, "{[€^~|]}" * 40, "“" * 200, '"' * 200, "ﬀ" * 100, "½" * 100]),
)
MESSAGES = st.builds(
    message,
    title=HOSTILE,
    lines=st.lists(HOSTILE, max_size=4).map(tuple),
    severity=st.sampled_from(["info", "warning", "critical"]),
    purpose=st.sampled_from(["wake", "again", "told", "over"]),
    code=st.sampled_from(["", "4711"]),
    count=st.integers(min_value=1, max_value=10**6),
    drill=st.booleans(),
    deadline_us=st.none() | st.integers(min_value=0, max_value=10**15),
    choices=st.lists(st.sampled_from(CHOICES), unique=True, max_size=5).map(tuple),
)


@given(MESSAGES)
def test_it_is_one_sms(sent):
    text = short_text(sent)
    assert text
    assert len(text) <= (MOST_OTHER if places(text) is None else MOST)
    assert fits(text)


@given(MESSAGES)
def test_quotes_are_balanced_and_hold_all_that_was_written(sent):
    text = short_text(sent)
    assert text.count('"') == 2
    before, _, after = text.split('"')
    assert re.fullmatch(r"(DRILL )?((CRITICAL )?Watchkeeper|WK)( 4711)?: ", before)
    assert after.isascii()


@given(MESSAGES)
def test_whoever_can_answer_is_told_how(sent):
    text = short_text(sent)
    if sent.code:
        for choice in sent.choices:
            assert re.search(rf"4711 .*\b{WORDS[choice.word]}\b", text), text
    else:
        assert "Answer" not in text


@given(MESSAGES)
def test_nothing_in_it_steers_or_leads_away(sent):
    text = short_text(sent)
    assert text.isprintable()
    assert not re.search(r"://|www\.", text, re.IGNORECASE)
    # What phones make a link of: letters on both sides of a dot, without a space.
    assert not re.search(r"[^\W_]\.[^\W\d_]", text), text


@given(st.text(max_size=300), st.integers(min_value=1, max_value=200))
def test_harmless_words_are_one_line_no_longer_than_asked(words, most):
    made = harmless(words, most)
    assert len(made) <= max(most, 3)
    assert made.isprintable()


@pytest.mark.parametrize(
    "title", ["Удалить тома платежей", "删除三个支付卷", "حذف وحدات الدفع", "支払いボリュームを削除する"]
)
def test_another_alphabet_stays_legible(title):
    text = short_text(message(title=title))
    assert title in text
    assert len(text) <= MOST_OTHER
    assert "4711 ACK,OK,NO,NEXT,KILL" in text


def test_accents_and_dashes_cost_nothing():
    text = short_text(message(title="Déjà vu — “naïve” plan…"))
    assert "Dejà vu - 'naive' plan..." in text or "Déjà vu - 'naive' plan..." in text
    assert places(text) is not None


def test_no_word_of_ours_is_taken_by_carriers():
    assert not TAKEN_BY_CARRIERS & set(WORDS.values())
    text = short_text(message())
    assert not TAKEN_BY_CARRIERS & set(re.findall("[A-Z]+", text))


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.word)
def test_what_an_sms_tells_to_write_is_understood(choice):
    written = f"4711 {WORDS[choice.word]}"
    found = read_reply(written)
    assert found is not None
    assert (found.code, found.word) == ("4711", choice.word)


@given(st.text(max_size=60))
def test_no_text_is_an_answer_without_a_code(text):
    found = read_reply(text)
    assert found is None or re.fullmatch("[0-9]{4}", found.code)


@given(st.integers(min_value=0, max_value=10**16), st.integers(min_value=0, max_value=10**16))
def test_time_is_always_a_number_and_its_unit(sent_us, deadline_us):
    assert re.fullmatch(r"no time|\d+ (s|min|h|days)", time_left(sent_us, deadline_us))


def test_a_choice_less_is_a_word_less():
    text = short_text(message(choices=JUST_ACK))
    assert "OK" not in text
    assert "NEXT" in text


def test_choices_keep_their_order():
    text = short_text(message(choices=tuple(reversed(CHOICES))))
    assert text.index("KILL") < text.index("ACK")
