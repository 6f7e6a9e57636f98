"""Provenance: who put a target into an episode first, the person it serves or something a tool returned."""

import pytest

from engine.core.evolve import evolve
from engine.core.provenance import heard
from engine.core.provenance.heard import Episodes, Origins
from engine.core.provenance.wanted import addresses_of, targets_in
from engine.core.vocabulary.facts import EpisodeClosed, MessageObserved
from engine.core.vocabulary.provenance import ProvenanceSettings
from tests.builders import NOON_US, answer, ask, proposal, state_under

IBAN = "GB29NWBK60161331926819"
IDLE_US = 1000


def said(source, text, at_us=0, episode="e-1"):
    return MessageObserved(at_us=at_us, episode=episode, source=source, text=text)


def after(*facts):
    episodes = Episodes(idle_us=IDLE_US)
    for fact in facts:
        if isinstance(fact, EpisodeClosed):
            heard.fold_closed(episodes, fact)
        else:
            heard.fold_message(episodes, fact)
    return episodes


def counted(episodes, *texts, episode="e-1", now_us=0):
    asked = proposal(args={"text": list(texts)}, episode=episode)
    found = heard.origins(episodes, ProvenanceSettings(), None, asked, addresses_of(list(texts)), now_us)
    return found.untrusted, found.unknown


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("mail Ann@Example.com.", {"ann@example.com"}),
        ("<a.b+c@d-e.co.uk>, x@y.z;", {"a.b+c@d-e.co.uk", "x@y.z"}),
        ("a@b", set()),
        ("@b.c", set()),
        (f"to {IBAN}!", {IBAN.lower()}),
        (f"{IBAN.lower()}", set()),
        ("AB12", set()),
        ("see https://X.org/a?b=c#d, http://y", {"https://x.org/a?b=c#d", "http://y"}),
        ("(www.x.org)", {"www.x.org"}),
        ("'https://x.org'", {"https://x.org"}),
        ("ftp://x.org", set()),
        ("", set()),
    ],
)
def test_targets_are_addresses_accounts_and_web_places(text, targets):
    assert targets_in(text) == targets


def test_what_only_a_tool_named_is_untrusted():
    assert counted(after(said("tool", f"pay {IBAN}")), IBAN) == (1, 0)


def test_what_nobody_named_is_unknown():
    assert counted(after(said("person", "hello")), "eve@evil.org") == (0, 1)
    assert counted(after(), "eve@evil.org") == (0, 1)


def test_a_person_vouches_before_or_after_the_tool():
    vouched = said("person", "write to ANN@example.com")
    tool = said("tool", "ann@example.com")
    assert counted(after(vouched), "Ann@Example.com") == (0, 0)
    assert counted(after(vouched, tool), "ann@example.com") == (0, 0)
    assert counted(after(tool, vouched), "ann@example.com") == (0, 0)


def test_what_the_agent_writes_vouches_for_nothing():
    assert counted(after(said("agent", "ann@example.com")), "ann@example.com") == (0, 1)
    both = after(said("tool", "ann@example.com"), said("agent", "ann@example.com"))
    assert counted(both, "ann@example.com") == (1, 0)


def test_each_target_counts_once_and_each_side_apart():
    episodes = after(said("person", "ann@example.com"), said("tool", "eve@evil.org https://evil.org"))
    texts = ["ann@example.com eve@evil.org", "eve@evil.org", "https://evil.org", "www.new.org", "a@b.c"]
    assert counted(episodes, *texts) == (2, 2)


def test_without_targets_there_is_nothing_to_count():
    assert counted(after(said("tool", "x@y.z")), "hello", "", "1234", "a" * 40) == (0, 0)
    assert counted(after()) == (0, 0)


@pytest.mark.parametrize("text", ["a@b.c", "http://x", "https://x", "www.x.org", "AB12CDEFGHIJKL"])
def test_the_shortest_targets_are_found(text):
    assert targets_in(text)
    assert counted(after(), text) == (0, 1)


def test_one_episode_does_not_vouch_for_another():
    episodes = after(said("person", "ann@example.com", episode="e-2"))
    assert counted(episodes, "ann@example.com") == (0, 1)
    assert counted(episodes, "ann@example.com", episode="e-2") == (0, 0)


def test_a_closed_episode_is_forgotten():
    episodes = after(said("person", "ann@example.com"), EpisodeClosed(at_us=0, episode="e-1"))
    assert counted(episodes, "ann@example.com") == (0, 1)
    assert episodes.by_id == {}
    assert after(EpisodeClosed(at_us=0, episode="never opened")).by_id == {}


def test_a_silent_episode_is_remembered_exactly_its_time():
    episodes = after(said("person", "ann@example.com"))
    assert counted(episodes, "ann@example.com", now_us=IDLE_US) == (0, 0)
    assert counted(episodes, "ann@example.com", now_us=IDLE_US + 1) == (0, 1)


def test_any_message_keeps_an_episode_awake():
    episodes = after(said("person", "ann@example.com"), said("agent", "hm", at_us=IDLE_US))
    assert counted(episodes, "ann@example.com", now_us=2 * IDLE_US) == (0, 0)


def test_a_message_after_too_long_a_silence_begins_anew():
    episodes = after(said("person", "ann@example.com"), said("tool", "x", at_us=IDLE_US + 1))
    assert counted(episodes, "ann@example.com", now_us=IDLE_US + 1) == (0, 1)


def test_trim_forgets_silent_episodes_only():
    episodes = after(said("person", "x", episode="old"), said("person", "x", at_us=5, episode="new"))
    heard.trim(episodes, IDLE_US + 5)
    assert list(episodes.by_id) == ["new"]


def test_the_shipped_rules_hold_what_only_a_tool_named():
    state = state_under()
    evolve(state, said("tool", f"Invoice: pay {IBAN}", at_us=NOON_US))
    args = {"recipient": IBAN, "amount": 5, "currency": "EUR"}
    decided = ask(proposal("payment.send", args, episode="e-1"), state)
    assert decided.word == "hold"
    assert answer(decided, "rules").rule == "untrusted-target"
    evolve(state, said("person", f"yes, {IBAN}", at_us=NOON_US))
    assert answer(ask(proposal("payment.send", args, episode="e-1"), state), "rules").ruling == "allow"


def test_an_address_that_runs_on_still_names_its_beginning():
    episodes = after(said("tool", "eve@evil.org谢谢.x"))
    assert counted(episodes, "eve@evil.org") == (1, 0)
    assert counted(episodes, "eve@evil.org谢谢.y") == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "“ann@example.com”",
        "ann@example.com谢谢",
        "写信给ann@example.com。",
        '{"to":"ann@example.com"}',
        "<ann@example.com>",
    ],
)
def test_what_merely_stands_beside_an_address_is_not_part_of_it(text):
    assert counted(after(said("person", text)), "ann@example.com") == (0, 0)


def test_an_empty_count_is_one_shared_value():
    none = heard.origins(
        Episodes(), ProvenanceSettings(), None, proposal(args={}, episode="e"), frozenset(), 0
    )
    assert none == Origins(untrusted=0, unknown=0)


@pytest.mark.parametrize(
    "lookalike",
    [
        "ann@example.com@evil.org",
        '"ann@example.com"@evil.org',
        "ann@example.com.évil.org",
        "ann@a.b.c.d.e.evil.org",
        "https://x.org/" + "a" * 250 + "/evil",
    ],
)
def test_a_longer_address_is_not_vouched_for_by_a_shorter_one(lookalike):
    vouched = f"ann@example.com ann@a.b.c.d.e https://x.org/{'a' * 186} https://x.org/{'a' * 250}"
    episodes = after(said("person", vouched), said("tool", lookalike))
    assert counted(episodes, lookalike) != (0, 0)
