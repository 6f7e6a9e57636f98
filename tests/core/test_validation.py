"""The validation gate: the action must be known, and every argument what the registry says."""

import pytest

from engine.core.gates import validation
from engine.core.vocabulary.actions import Action, Parameter
from tests.builders import proposal

WRITE = {"kind": "write", "risk": "LOW"}


def judged(args, _name="try", **parameters):
    action = Action(name="try", parameters={k: Parameter(**v) for k, v in parameters.items()}, **WRITE)
    return validation.judge({"try": action}, proposal(_name, args))


def test_an_unknown_action_is_denied_by_name():
    said = judged({}, "rm.everything")
    assert said.ruling == "deny"
    assert said.reason == "the action 'rm.everything' is not in the registry"
    assert (said.rule, said.owner, said.waits) == ("actions.rm.everything", "captain", ())


def test_a_missing_argument_is_named_with_its_type():
    said = judged({}, path={"type": "path"})
    assert said.reason == "path: expected path, but it is missing"
    assert (said.ruling, said.rule, said.owner) == ("deny", "actions.try.parameters", "captain")


def test_an_optional_argument_may_be_missing_but_not_wrong():
    assert judged({}, wait_s={"type": "integer", "required": False}).ruling == "allow"
    said = judged({"wait_s": "3"}, wait_s={"type": "integer", "required": False})
    assert said.reason == "wait_s: expected integer, got string '3'"


def test_an_extra_argument_is_named():
    said = judged({"path": "a", "sudo": True, "force": True}, path={"type": "path"})
    assert said.reason == "force: the action takes no such argument; sudo: the action takes no such argument"


def test_an_extra_argument_is_found_even_when_a_needed_one_is_missing():
    said = judged({"pth": "a"}, path={"type": "path"})
    assert said.reason == "path: expected path, but it is missing; pth: the action takes no such argument"


def test_an_action_without_parameters_takes_no_arguments():
    assert judged({}).ruling == "allow"
    assert judged({"x": 1}).ruling == "deny"


@pytest.mark.parametrize(
    ("kind", "good", "bad", "got"),
    [
        ("string", "x", 1, "integer 1"),
        ("path", "a/b", ["a"], "list ['a']"),
        ("command", "ls", {}, "object {}"),
        ("integer", 3, 3.0, "number 3.0"),
        ("integer", 0, True, "boolean True"),
        ("integer", 2**80, "3", "string '3'"),
        ("number", 3, "3", "string '3'"),
        ("number", 2.5, False, "boolean False"),
        ("boolean", True, 1, "integer 1"),
        ("boolean", False, 0, "integer 0"),
        ("email", "ann@example.com", "ann", "string 'ann'"),
        ("email", "a@b.c", "@b.c", "string '@b.c'"),
        ("email", "a@b.c", "a@localhost", "string 'a@localhost'"),
        ("email", "a@b.c", "Ann <a@b.c>", "string 'Ann <a@b.c>'"),
        ("url", "https://x", "x.org", "string 'x.org'"),
        ("url", "ftp://x/y", "https://", "string 'https://'"),
        ("url", "http://x", "http://x y", "string 'http://x y'"),
        ("url", "http://x", "java script://x", "string 'java script://x'"),
        ("list", [], {}, "object {}"),
        ("object", {"a": 1}, [1], "list [1]"),
    ],
)
def test_each_type_takes_its_own_values_only(kind, good, bad, got):
    assert judged({"x": good}, x={"type": kind}).ruling == "allow"
    said = judged({"x": bad}, x={"type": kind})
    assert said.reason == f"x: expected {kind}, got {got}"


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", [None], {"a": None}])
def test_any_takes_whatever_comes(value):
    assert judged({"x": value}, x={"type": "any"}).ruling == "allow"


def test_null_is_a_value_only_where_the_registry_says_so():
    assert judged({"x": None}, x={"type": "string"}).reason == "x: expected string, got null"
    assert judged({"x": None}, x={"type": "string", "nullable": True}).ruling == "allow"


def test_nullable_does_not_mean_optional():
    said = judged({}, x={"type": "string", "nullable": True})
    assert said.reason == "x: expected string, but it is missing"


def test_the_wrong_item_of_a_list_is_named_with_its_position():
    ok = {"type": "list", "items": "email"}
    assert judged({"to": ["a@b.c", "d@e.f"]}, to=ok).ruling == "allow"
    assert judged({"to": []}, to=ok).ruling == "allow"
    said = judged({"to": ["a@b.c", 7, None]}, to=ok)
    assert said.reason == "to: expected email at position 1, got integer 7"
    said = judged({"to": [None]}, to=ok)
    assert said.reason == "to: expected email at position 0, got null None"


def test_a_list_of_anything_may_hold_null():
    assert judged({"x": [None, 1]}, x={"type": "list", "items": "any"}).ruling == "allow"
    assert judged({"x": [None, 1]}, x={"type": "list"}).ruling == "allow"


def test_what_is_no_list_at_all_says_what_list_was_expected():
    said = judged({"to": "a@b.c"}, to={"type": "list", "items": "email"})
    assert said.reason == "to: expected list of email, got string 'a@b.c'"


def test_choices_are_named():
    choice = {"type": "string", "choices": ("EUR", "GBP")}
    assert judged({"c": "EUR"}, c=choice).ruling == "allow"
    assert judged({"c": "eur"}, c=choice).reason == "c: expected one of EUR, GBP, got 'eur'"
    assert judged({"c": 3}, c=choice).reason == "c: expected one of EUR, GBP, got integer 3"
    assert judged({}, c=choice).reason == "c: expected one of EUR, GBP, but it is missing"


def test_a_choice_must_match_in_type_as_well():
    choice = {"type": "any", "choices": (1, 2)}
    assert judged({"n": 1}, n=choice).ruling == "allow"
    assert judged({"n": True}, n=choice).ruling == "deny"
    assert judged({"n": 1.0}, n=choice).ruling == "deny"
    assert judged({"n": [1]}, n=choice).ruling == "deny"


def test_what_an_agent_sent_is_shown_shortened():
    said = judged({"n": "x" * 10_000}, n={"type": "integer"})
    assert len(said.reason) < 120
    assert said.reason.endswith("x…'")


def test_many_wrong_arguments_do_not_drown_the_verdict():
    said = judged({f"argument-{n}": n for n in range(10_000)})
    assert said.ruling == "deny"
    assert len(said.reason) < 2_000
    assert "more" in said.reason
