"""What is left of a fact on its way into the journal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from engine.adapters.scrubber import LONG, LONGEST, Scrubber
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.privacy import Found, PrivacySettings, Treated
from engine.core.vocabulary.proposals import Option, Proposal
from engine.errors import InputError
from engine.runtime import wire
from engine.wiring.privacy import make_scrubber
from tests.privacy.planting import Planter, core_of

SCRUBBER = make_scrubber()
SECRET = Planter(11).name()
PEOPLE = "ada@example.com, +49 30 1234567, DE89 3704 0044 0532 0130 00"


def proposed(**values: Any) -> f.ProposalReceived:
    given: dict[str, Any] = {
        "proposal_id": "coder-1:0123456789abcdef0123456789abcdef",
        "agent": "coder-1",
        "capability": "heal@1",
        "action": "cache.clear",
        "args": {"service": "web"},
    }
    return f.ProposalReceived(at_us=1, proposal=Proposal(**given | values))


def scrubbed(fact: Any, scrubber: Scrubber = SCRUBBER) -> Any:
    done = scrubber.scrub("key", fact)
    return (done() if callable(done) else done)[1]


def seen_in(fact: Any, secret: str) -> bool:
    return core_of(secret) in f.encode(fact).decode()


def test_what_is_clean_is_the_same_object():
    fact = proposed(rationale="the pages are stale since noon")
    assert scrubbed(fact) is fact


@pytest.mark.parametrize(
    ("args", "places"),
    [
        ({"a": SECRET}, ["args.a"]),
        ({"a": {"b": ["x", {"c": f"x {SECRET} y"}]}}, ["args.a.b[1].c"]),
        ({"a": {SECRET: 1}}, ["args.a.[redacted: {}]"]),
        ({"a": [SECRET[:9], SECRET[9:]]}, ["args.a[0]", "args.a[1]"]),
        ({"a": SECRET[:2], "b": SECRET[2:12], "c": SECRET[12:]}, ["args.a", "args.b", "args.c"]),
        ({"password": "hunter2"}, ["args.password"]),
        ({"db": {"rootPassword": 87654321}}, ["args.db.rootPassword"]),
        ({"argv": ["mysql", "--password", "hunter2"]}, ["args.argv[2]"]),
        ({"number": 4111111111111111}, ["args.number"]),
        ({"number": 4111111111111111.0}, ["args.number"]),
        ({"path": f"notes/{SECRET}.md"}, ["args.path"]),
        ({"json": f'{{"deep": "{{\\"token\\": \\"{SECRET}\\"}}"}}'}, ["args.json"]),
    ],
)
def test_what_must_not_be_kept_leaves_the_arguments_and_is_marked(args, places):
    fact = scrubbed(proposed(args=args))
    assert not seen_in(fact, SECRET)
    for gone in ("hunter2", "87654321", "4111111111111111"):
        assert not seen_in(fact, gone)
    marks = fact.proposal.found
    assert all(mark.taken for mark in marks)
    name = marks[0].name
    assert [mark.place for mark in marks] == [place.replace("{}", name) for place in places]


@pytest.mark.parametrize(
    "values",
    [
        {"rationale": f"because {SECRET}"},
        {"options": (Option(name=SECRET), Option(name="b", why_not=SECRET))},
        {"rationale": "x" * LONG + f" {SECRET}"},
    ],
)
def test_what_an_agent_writes_is_cleaned(values):
    fact = scrubbed(proposed(**values))
    assert not seen_in(fact, SECRET)
    assert {mark.kind for mark in fact.proposal.found} == {"secret"}


@pytest.mark.parametrize("name", ["proposal_id", "agent", "capability", "action", "episode", "environment"])
def test_a_name_with_a_secret_is_refused_without_saying_it(name):
    with pytest.raises(InputError) as refused:
        scrubbed(proposed(**{name: SECRET}))
    assert refused.value.place == name
    assert SECRET not in str(refused.value)


def test_the_recipient_stays_and_what_is_written_about_people_goes():
    fact = scrubbed(proposed(args={"to": PEOPLE}, rationale=PEOPLE))
    assert fact.proposal.args == {"to": PEOPLE}
    for data in PEOPLE.split(", "):
        assert data not in fact.proposal.rationale
    kept = {(mark.kind, mark.place, mark.taken) for mark in fact.proposal.found}
    assert ("email", "args.to", False) in kept
    assert ("email", "rationale", True) in kept


def test_messages_keep_whom_they_name_and_outputs_do_not():
    said = f.MessageObserved(at_us=1, episode="e", source="person", text=f"{PEOPLE} {SECRET}")
    assert scrubbed(said).text.startswith(PEOPLE + " [redacted: ")
    result = Result(success=True, output=f"{PEOPLE} {SECRET}", error="", execution_time_s=0.1)
    output = scrubbed(ended(result)).result.output
    assert not any(data in output for data in (SECRET, *PEOPLE.split(", ")))


def ended(result: Result) -> f.EffectEnded:
    return f.EffectEnded(
        at_us=1,
        effect_id="d_1",
        decision_id="d_1",
        kind="perform",
        proposal_id="coder-1:a",
        agent="coder-1",
        capability="heal@1",
        action="cache.clear",
        token=1,
        status="done",
        result=result,
    )


def test_policy_says_what_is_kept_where():
    never = Treated(arguments="refuse", text="redact", messages="redact", outputs="redact")
    always = Treated(arguments="keep", text="keep", messages="keep", outputs="keep")
    strict = make_scrubber(PrivacySettings(email=never))
    mild = make_scrubber(PrivacySettings(email=always))
    fact = proposed(args={"to": "ada@example.com"}, rationale="for ada@example.com")
    assert scrubbed(fact, strict).proposal.args == {"to": "[redacted: email]"}
    assert scrubbed(fact, mild).proposal.rationale == "for ada@example.com"


def test_only_the_door_says_what_was_found():
    mine = (Found("secret", "mine", "args.x", True),)
    assert scrubbed(proposed(found=mine)).proposal.found is UNSET


def test_two_keys_of_which_the_same_is_left_stay_two():
    first, second = f"{SECRET}1", f"{SECRET}2"
    assert len(scrubbed(proposed(args={first: 1, second: 2})).proposal.args) == 2


def test_of_many_finds_those_that_decide_are_kept():
    args = {f"to-{nth}": "ada@example.com" for nth in range(100)} | {"last": SECRET}
    marks = scrubbed(proposed(args=args)).proposal.found
    assert len(marks) == 20
    assert marks[0].place == "args.last"


# ---------------------------------------------------------------- where looking fails


class Broken:
    def __getattr__(self, _name: str) -> Any:
        raise RuntimeError("no rules today")


BROKEN = Scrubber(PrivacySettings(), Broken)  # type: ignore[arg-type]  # it is no scanner, that is the point


@pytest.mark.parametrize(
    ("fact", "scrubber"),
    [(proposed(rationale="fine"), BROKEN), (proposed(rationale="x" * LONGEST), SCRUBBER)],
)
def test_a_proposal_nobody_can_look_through_is_refused(fact, scrubber):
    with pytest.raises(InputError, match="nobody could look for secrets"):
        scrubbed(fact, scrubber)


def test_what_must_be_journaled_is_journaled_without_its_text():
    stop = f.KillSwitchSet(at_us=1, scope=f.Scope("agent", "coder-1"), by="ray", reason="it leaks")
    kept = scrubbed(stop, BROKEN)
    assert structs.replace(kept, reason="it leaks") == stop
    assert kept.reason.startswith("[withheld")
    result = Result(success=True, output="anything", error="", execution_time_s=0.1)
    assert scrubbed(ended(result), BROKEN).result.output.startswith("[withheld")


def test_a_stop_is_never_refused_for_its_name():
    stop = f.KillSwitchSet(at_us=1, scope=f.Scope("agent", SECRET), by=SECRET)
    assert scrubbed(stop).scope == stop.scope


def test_requests_lose_their_secrets_before_anything_is_done_with_them():
    asked = wire.SetStop(scope=f.Scope("all"), by="ray", reason=f"it printed {SECRET}")
    assert SECRET not in SCRUBBER.without_secrets(asked).reason
    assert BROKEN.without_secrets(asked) == asked, "whoever asks for a stop gets it"


_TEXTS = st.one_of(st.text(max_size=30), st.sampled_from([SECRET, PEOPLE, "password", f"x={SECRET}"]))
_ARGS = st.recursive(
    st.one_of(_TEXTS, st.integers(-(10**17), 10**17), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXTS, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(_TEXTS, _ARGS, max_size=4), _TEXTS)
def test_whatever_the_shape_nothing_is_left_and_looking_twice_changes_nothing(args, rationale):
    once = scrubbed(proposed(args=args, rationale=rationale))
    assert not seen_in(once, SECRET)
    again = scrubbed(once)
    assert again.proposal.args == once.proposal.args
    assert again.proposal.rationale == once.proposal.rationale
