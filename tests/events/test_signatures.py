"""Signatures as their own documents give examples of them, and everything that is none."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events.signatures import signed
from engine.settings.events import SourceSection

NOW_S = 1_614_265_330
# The example of the Standard Webhooks specification.
STANDARD = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    "body": b'{"test": 2432232314}',
}
# The example of GitHub's documentation.
GITHUB = {
    "secret": "It's a Secret to Everybody",
    "header": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    "body": b"Hello, World!",
}


def source(scheme, **more):
    return SourceSection(scheme=scheme, **more)


def standard(now_s=NOW_S, secrets=(STANDARD["secret"],), **changes):
    headers = {name: STANDARD[name] for name in STANDARD if name.startswith("webhook-")} | changes
    return signed(source("standard"), list(secrets), headers, STANDARD["body"], now_s)


def test_the_example_of_standard_webhooks_is_valid_while_it_is_new():
    assert standard().event_id == STANDARD["webhook-id"]
    assert standard(NOW_S + 299) is not None
    assert standard(NOW_S + 301) is None
    assert standard(NOW_S - 301) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "x"},
        {"webhook-timestamp": "1614265330.0"},
        {"webhook-signature": ""},
        {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ2OE="},
        {"webhook-signature": "v1,!!!"},
        {"webhook-signature": "v1," * 1_000},
    ],
)
def test_what_is_changed_of_it_is_not(changes):
    assert standard(**changes) is None


def test_one_of_several_signatures_and_one_of_two_secrets_is_enough():
    good = STANDARD["webhook-signature"]
    assert standard(**{"webhook-signature": f"v1,AAAA v2,x {good}"}) is not None
    assert standard(secrets=("whsec_AAAA", STANDARD["secret"])) is not None
    assert standard(secrets=("whsec_AAAA",)) is None
    assert standard(secrets=()) is None


def test_the_example_of_github_is_valid():
    headers = {"x-hub-signature-256": GITHUB["header"]}
    assert signed(source("github"), [GITHUB["secret"]], headers, GITHUB["body"], 0) is not None
    assert signed(source("github"), [GITHUB["secret"]], headers, GITHUB["body"] + b" ", 0) is None
    assert signed(source("github"), ["another"], headers, GITHUB["body"], 0) is None
    assert signed(source("github"), [GITHUB["secret"]], {}, GITHUB["body"], 0) is None


def test_stripes_way_has_a_time_and_may_have_two_signatures():
    body, secret = b'{"id": 1}', "whsec_x"
    good = hmac.new(secret.encode(), b"1614265330." + body, hashlib.sha256).hexdigest()

    def valid(header, now_s=NOW_S):
        return signed(source("stripe"), [secret], {"stripe-signature": header}, body, now_s) is not None

    assert valid(f"t=1614265330,v1={good}")
    assert valid(f"t=1614265330,v1=00,v0=zz,v1={good}")
    assert not valid(f"t=1614265330,v1={good}", NOW_S + 400)
    assert not valid(f"t=1614265331,v1={good}")
    assert not valid(f"t=1614265330,t=1614265331,v1={good}")
    assert not valid(f"v1={good}")
    assert not valid("t=1614265330")
    assert not valid("")


@pytest.mark.parametrize(
    ("encoding", "write"), [("hex", bytes.hex), ("base64", lambda raw: base64.b64encode(raw).decode())]
)
def test_any_header_with_a_prefix(encoding, write):
    section = source("hmac", header="X-Sign", prefix="v=", encoding=encoding)
    good = write(hmac.new(b"k", b"body", hashlib.sha256).digest())
    assert signed(section, ["k"], {"x-sign": f"v={good}"}, b"body", 0) is not None
    assert signed(section, ["k"], {"x-sign": good}, b"body", 0) is None
    assert signed(section, ["k"], {"x-sign": "v="}, b"body", 0) is None


def test_a_bearer_is_the_secret_itself():
    def valid(header):
        return signed(source("bearer"), ["abc", "old"], {"authorization": header}, b"", 0) is not None

    assert valid("Bearer abc")
    assert valid("bearer old")
    assert not valid("Bearer abcd")
    assert not valid("Basic abc")
    assert not valid("")
    assert not valid("Bearer ")


@given(
    st.sampled_from(["hmac", "github", "stripe", "standard", "bearer"]),
    st.dictionaries(
        st.sampled_from(
            "x-sign x-hub-signature-256 stripe-signature authorization webhook-id webhook-timestamp"
            " webhook-signature".split()
        ),
        st.text(max_size=80)
        | st.sampled_from([f"t={NOW_S},v1=00", "sha256=00", "v1,AA==", str(NOW_S), "Bearer x"]),
    ),
    st.binary(max_size=40),
)
def test_nothing_made_up_is_ever_valid_and_nothing_raises(scheme, headers, body):
    section = source(scheme, header="X-Sign" if scheme == "hmac" else None)
    assert signed(section, ["whsec_c2VjcmV0LXNlY3JldA=="], headers, body, NOW_S) is None
