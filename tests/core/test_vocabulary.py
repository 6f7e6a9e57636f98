"""The words of the house: what they refuse, how they are derived, and how they are written."""

import hashlib
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.core.vocabulary.arguments import strings_in, texts_of
from engine.core.vocabulary.chain import GENESIS, Head, digest_of, link
from engine.core.vocabulary.facts import FACT_TYPES, Scope, decode, decode_lines, encode
from engine.core.vocabulary.ids import capability_name, capability_version, decision_id
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.units import duration_text, parse_time, percent_text, time_text
from tests.drawn_texts import json_args


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cost_usd": Decimal("-0.01")}, "cost_usd must be from 0"),
        ({"cost_usd": Decimal("NaN")}, "cost_usd must be from 0"),
        ({"cost_usd": Decimal("sNaN")}, "cost_usd must be from 0"),
        ({"cost_usd": Decimal("Infinity")}, "cost_usd must be from 0"),
        ({"cost_usd": Decimal(10) ** 12 + Decimal("0.000000000001")}, "cost_usd must be from 0"),
        ({"cost_usd": Decimal("0.0000000000001")}, "at most 12 decimal places"),
        ({"cost_usd": Decimal("1.0000000000000")}, "at most 12 decimal places"),
        ({"files": -1}, "must not be negative"),
        ({"api_calls": -1}, "must not be negative"),
    ],
)
def test_an_impact_that_cannot_be_summed_exactly_is_refused(values, said):
    with pytest.raises(ValueError, match=said):
        Impact(**values)


def test_the_largest_and_the_finest_impact_are_accepted():
    assert Impact(cost_usd=Decimal(10) ** 12).cost_usd == 10**12
    assert Impact(cost_usd=Decimal("0.000000000001")).cost_usd > 0
    assert Impact() == Impact(cost_usd=Decimal(0), files=0, api_calls=0)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_confidence_no_threshold_could_judge_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must be from 0 to 1"):
        Proposal(proposal_id="p", agent="a", capability="c", action="x", confidence=confidence)


@pytest.mark.parametrize("confidence", [None, 0.0, 1.0])
def test_the_ends_of_confidence_are_accepted(confidence):
    assert Proposal(proposal_id="p", agent="a", capability="c", action="x", confidence=confidence)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"fact":"proposal_received","at_us":0,"proposal":{"agent":"a"}}', "proposal_id"),
        (b'{"fact":"episode_closed","at_us":"now","episode":"e"}', "at_us"),
        (b'{"fact":"episode_closed","at_us":0,"episode":"e","extra":1}', "extra"),
        (b'{"fact":"nothing","at_us":0}', "nothing"),
        (b'{"at_us":0}', "fact"),
        (b"[]", "object"),
    ],
)
def test_a_line_that_is_no_fact_is_refused_naming_what_is_wrong(line, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        decode(line)


def test_facts_are_written_as_declared_with_the_keys_of_free_maps_sorted():
    line = encode(decode('{"episode":"e","at_us":1,"fact":"episode_closed"}'))
    assert line == b'{"fact":"episode_closed","at_us":1,"episode":"e"}'
    assert encode({"b": 1, "a": {"d": 1, "c": 2}}) == b'{"a":{"c":2,"d":1},"b":1}'
    assert decode_lines(line + b"\n" + line) == [decode(line), decode(line)]


def test_every_fact_is_tagged_with_its_name_in_the_past_tense():
    for tag, kind in FACT_TYPES.items():
        assert tag == "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")


def test_a_scope_reads_as_people_type_it():
    assert [str(Scope("all")), str(Scope("agent", "coder-1"))] == ["all", "agent:coder-1"]


@given(st.text(min_size=1), st.text(min_size=1))
def test_decisions_have_the_same_id_again_and_another_for_another(one, other):
    assert decision_id(one) == decision_id(one)
    assert decision_id(one).startswith("d_")
    assert (decision_id(one) == decision_id(other)) == (one == other)


@given(st.text(alphabet="ab@1"))
def test_name_and_version_make_up_the_capability(capability):
    name, version = capability_name(capability), capability_version(capability)
    assert capability in (name, f"{name}@{version}")
    assert bool(name) == bool(capability)


def test_a_link_covers_every_part_of_its_record():
    link_of = link(GENESIS, 1, "key", b"{}")
    others = [
        link(b"\1" * 32, 1, "key", b"{}"),
        link(GENESIS, 2, "key", b"{}"),
        link(GENESIS, 1, "kez", b"{}"),
        link(GENESIS, 1, "key", b"{ }"),
        link(GENESIS, 1, "key{", b"}"),
    ]
    assert len({link_of, *others}) == 6
    parts = b"\0" + GENESIS + (1).to_bytes(8, "big") + (3).to_bytes(4, "big") + b"key{}"
    assert link_of == hashlib.sha256(parts).digest()


def test_a_head_is_written_as_an_anchor():
    assert str(Head()) == "0:" + "00" * 32
    assert str(Head(12, b"\x3f" * 32)) == "12:" + "3f" * 32


def test_a_digest_binds_action_and_arguments_and_cannot_be_shifted():
    assert digest_of("a", b"{}") == digest_of("a", b"{}")
    assert (
        len({digest_of("a", b"{}"), digest_of("b", b"{}"), digest_of("a", b"[]"), digest_of("", b"a{}")}) == 4
    )


@given(json_args)
def test_every_text_among_the_arguments_is_found_once_in_order(args):
    def walk(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield key
                yield from walk(item)

    assert strings_in(args) == list(walk(args))
    assert texts_of(args) == [text for value in args.values() for text in walk(value)]


def test_texts_are_found_however_deep_they_lie():
    deep = "x"
    for _ in range(10_000):
        deep = [deep]
    assert texts_of({"a": deep}) == ["x"]


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
@example(0)
def test_times_are_written_and_read_back(at_us):
    assert parse_time(time_text(at_us)) == at_us


@given(st.integers())
def test_any_number_can_be_written_as_a_time(at_us):
    assert time_text(at_us)


def test_times_without_a_zone_are_utc():
    assert parse_time("1970-01-01T00:00:01") == parse_time("1970-01-01T01:00:01+01:00") == 1_000_000


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (86_400, "1 d"),
        (172_800, "2 d"),
        (7_200, "2 h"),
        (60, "1 min"),
        (61, "61 s"),
        (0.5, "0.5 s"),
        (0, "0 s"),
    ],
)
def test_durations_take_their_largest_whole_unit(seconds, said):
    assert duration_text(seconds) == said


@given(st.floats(0, 1))
def test_per_cent_is_exact(ratio):
    assert Decimal(percent_text(ratio).removesuffix("%")) == Decimal(repr(ratio)) * 100
