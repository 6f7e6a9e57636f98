"""The gate that denies what must not be kept in clear."""

import pytest

from engine.core.gates.privacy import judge
from engine.core.vocabulary.privacy import Found, PrivacySettings, Treated

SETTINGS = PrivacySettings()
SECRET = Found("secret", "github token", "args.headers.Authorization", True)
MAIL = Found("email", "email", "args.to", False)


def test_a_secret_in_an_argument_is_denied_with_kind_place_and_cure():
    answer = judge(SETTINGS, (SECRET,))
    assert answer.ruling == "deny"
    assert answer.rule == "privacy.secret"
    assert "a secret (github token) in args.headers.Authorization" in answer.reason
    assert "{secret: NAME}" in answer.reason


@pytest.mark.parametrize("place", ["rationale", "options[0].name", "arguments", "argsx"])
def test_what_was_taken_out_elsewhere_denies_nothing(place):
    assert judge(SETTINGS, (Found("secret", "github token", place, True),)).ruling == "allow"


def test_what_is_kept_is_said_and_allowed():
    answer = judge(SETTINGS, (MAIL,))
    assert (answer.ruling, answer.reason) == (
        "allow",
        "it names an e-mail address in args.to; this policy keeps that",
    )


def test_a_stricter_policy_denies_what_was_kept():
    never = Treated(arguments="refuse", text="redact", messages="redact", outputs="redact")
    assert judge(PrivacySettings(email=never), (MAIL,)).ruling == "deny"


def test_no_policy_allows_what_was_taken_out():
    keep = Treated(arguments="keep", text="keep", messages="keep", outputs="keep")
    taken = Found("email", "email", "args.to", True)
    assert judge(PrivacySettings(email=keep), (taken,)).ruling == "deny"


def test_of_many_the_first_are_named_and_all_are_counted():
    found = tuple(Found("card", "card", f"args.cards[{nth}]", True) for nth in range(9))
    answer = judge(SETTINGS, found)
    assert "and 4 more" in answer.reason
    assert [(check.measure, check.measured, check.limit) for check in answer.checks] == [
        ("card in arguments", 9, 0)
    ]
