"""Provenance: whatever is said, only the person vouches, and what a tool named stays suspect until then."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.provenance import heard as rooms
from engine.core.provenance.heard import Episodes
from engine.core.provenance.wanted import addresses_of, targets_in
from engine.core.vocabulary.facts import EpisodeClosed, MessageObserved
from engine.core.vocabulary.provenance import ProvenanceSettings
from tests.builders import proposal

NAMES = ["ann@example.com", "eve@evil.org", "GB29NWBK60161331926819", "https://x.org/a", "www.y.org"]
said = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 5, 10, 11]),
        st.sampled_from(["person", "tool", "agent", "close"]),
        st.sampled_from(["e-1", "e-2"]),
        st.lists(st.sampled_from(NAMES), max_size=2).map(" and ".join),
    ),
    max_size=15,
)
IDLE_US = 10


def where(episodes, episode, texts, now_us):
    asked = proposal(args={"text": texts}, episode=episode)
    return rooms.origins(episodes, ProvenanceSettings(), None, asked, addresses_of(texts), now_us)


@given(said, st.lists(st.sampled_from(NAMES), max_size=3), st.booleans())
def test_counts_agree_with_reading_the_whole_episode_again(said, wanted, tidied):
    episodes, heard, now_us, last = Episodes(idle_us=IDLE_US), [], 0, None
    for gap_us, source, episode, text in said:
        now_us += gap_us
        if source == "close":
            rooms.fold_closed(episodes, EpisodeClosed(at_us=now_us, episode=episode))
        else:
            fact = MessageObserved(at_us=now_us, episode=episode, source=source, text=text)
            rooms.fold_message(episodes, fact)
        if tidied:
            rooms.trim(episodes, now_us)
        if episode == "e-1":
            if source == "close" or (last is not None and now_us - last > IDLE_US):
                heard = []
            last = now_us
            heard += [(source, text)] if source != "close" else []
    person = {name for source, text in heard for name in NAMES if name in text and source == "person"}
    tool = {name for source, text in heard for name in NAMES if name in text and source == "tool"}
    strange = set(wanted) - person
    found = where(episodes, "e-1", wanted, now_us)
    silent = not heard or (last is not None and now_us - last > IDLE_US)
    if silent:
        assert (found.untrusted, found.unknown) == (0, len(set(wanted)))
    else:
        assert (found.untrusted, found.unknown) == (len(strange & tool), len(strange - tool))


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    assert all(target == target.lower() for target in targets_in(text))


@given(st.text(alphabet='a@."-é1GB :/w', max_size=60))
def test_what_the_person_said_word_for_word_is_never_strange(text):
    episodes = Episodes(idle_us=IDLE_US)
    rooms.fold_message(episodes, MessageObserved(at_us=0, episode="e", source="tool", text=text))
    before = where(episodes, "e", [text], 0)
    assert before.unknown == 0
    rooms.fold_message(episodes, MessageObserved(at_us=0, episode="e", source="person", text=text))
    after = where(episodes, "e", [text], 0)
    assert after.untrusted <= before.untrusted
