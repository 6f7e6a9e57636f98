"""What is found in a text, and what is left alone."""

import base64
from urllib.parse import quote

import pytest

from engine.adapters.leak_rules import read_rules
from engine.adapters.leaks import Scanner, cut
from engine.errors import InputError, PolicyError
from tests.privacy.planting import Planter, core_of

SCANNER = Scanner(read_rules(), ["our-own-value"])


def found(text: str) -> list[tuple[str, str]]:
    data = text.encode()
    return [(hit.kind, data[hit.start : hit.end].decode()) for hit in SCANNER.hits(data)]


def taken(text: str) -> str:
    return cut(text, SCANNER.hits(text.encode()))


def test_every_shipped_rule_compiles():
    read_rules().compile()


@pytest.mark.parametrize("secret", list(Planter(3).each()))
def test_a_secret_is_found_however_it_travels(secret):
    raw = secret.encode()
    for form in (
        secret,
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(b"key=" + raw).decode(),
        quote(f"a b/{secret}", safe=""),
        raw.hex(),
        base64.b64encode(quote(secret + "%", safe="").encode()).decode(),
        secret[:2] + "\u200b" + secret[2:],
        "".join(f"\\u{ord(sign):04x}" for sign in secret[:3]) + secret[3:],
    ):
        text = taken(f"before {form} after")
        assert core_of(secret) not in text
        assert form not in text
        assert "[redacted: " in text


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("password: hunter2x", "hunter2x"),
        ('{"password": "hunter2x"}', "hunter2x"),
        (r"{\"password\": \"hunter2x\"}", "hunter2x"),
        ("mysql --password hunter2x -u root", "hunter2x"),
        ("curl -u ada:hunter2x https://x", "hunter2x"),
        ("client_secret = q8Zr1LkP0vTn5WxY3m", "q8Zr1LkP0vTn5WxY3m"),
        ("aws_secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYzEXAMPLEKEYa", "wJalrXUtnFEMIK7MDENGbPxRfiCYz"),
        ("our-own-value", "our-own-value"),
        ("$2b$12$" + "a1B2c3D4" * 6 + "abcde", "a1B2c3D4a1B2"),
    ],
)
def test_what_stands_where_a_secret_stands_is_found(text, gone):
    assert gone not in taken(text)


@pytest.mark.parametrize(
    "text",
    [
        "password: required",
        "the password is wrong",
        'password = os.environ["DB"]',
        "PASSWORD=$DB_PASSWORD",
        "token: ${TOKEN}",
        "API_KEY=<your key>",
        "--token $TOKEN",
        "the token expires in 3600 seconds",
        "sha256:2f5ad82c5f5a0b1c9d8e7f6a5b4c3d2e1f0a9b8c2f5ad82c5f5a0b1c9d8e7f6a",
        "commit 2f5ad82c5f5a0b1c9d8e7f6a5b4c3d2e1f0a9b8c",
        "cloned git@github.com:ada/web and ssh://deploy@web1.example.com",
        "restart-unhealthy@3.2 at 2026-11-27T17:20:06.123456Z, 1732727379000000",
        "order 4111111111111112, part 4111-1111-1111, 555-0199, version 1.2.3.4",
        "10.0.0.1:8080 took 12345678901234 ns",
        "/usr/local/lib/python3.11/site-packages/engine/adapters/leaks.py",
        "PASSWORD=[redacted: secret] and [redacted: github token]",
        "DE89 3704 0044 0532 0130 01",
    ],
)
def test_what_is_none_is_left_alone(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("pay 4111 1111 1111 1111 123 now", "card", "4111 1111 1111 1111"),
        ("12 3782 822463 10005", "card", "3782 822463 10005"),
        ("card=5500-0000-0000-0004.", "card", "5500-0000-0000-0004"),
        ("to DE89 3704 0044 0532 0130 00 AND MORE", "iban", "DE89 3704 0044 0532 0130 00"),
        ("GB29NWBK60161331926819", "iban", "GB29NWBK60161331926819"),
        ("mail ada.l+x@mail.example.com, please", "email", "ada.l+x@mail.example.com"),
        ("call +49 (0)30 1234567", "phone", "+49 (0)30 1234567"),
        ("(212) 555-1234", "phone", "(212) 555-1234"),
        ("tel. 030 1234567", "phone", "tel. 030 1234567"),
    ],
)
def test_personal_data_is_found_by_what_makes_it_one(text, kind, what):
    assert found(text) == [(kind, what)]


def test_looking_twice_changes_nothing():
    planter = Planter(5)
    for secret in planter.each():
        once = taken(f"PASSWORD={secret} x://a:{secret}@b to +49 30 1234567 ada@example.com")
        assert taken(once) == once


# ---------------------------------------------------------------- files of rules


OWN = """
title = "ours"
[extend]
useDefault = true
disabledRules = ["npm-token"]
[allowlist]
stopwords = ["example"]
[[rules]]
id = "ours"
description = "Tickets"
regex = '''(ticket)[ :]+(T-[a-z0-9]{8})'''
secretGroup = 2
entropy = 2.0
keywords = ["ticket"]
[[rules.allowlists]]
condition = "AND"
regexTarget = "line"
regexes = ['''^#''']
stopwords = ["abcd"]
"""


def scanner(tmp_path, text):
    path = tmp_path / "gitleaks.toml"
    path.write_text(text)
    return Scanner(read_rules(path))


def test_a_team_brings_rules_of_its_own(tmp_path):
    own = scanner(tmp_path, OWN)
    names = [hit.name for hit in own.secrets(b"ticket: T-a1b2c3d4")]
    assert names == ["ours"]
    assert own.secrets(b"ticket: T-aaaaaaaa") == [], "it is too regular"
    assert own.secrets(b"# ticket: T-abcd1234") == [], "both conditions of its allowlist hold"
    assert own.secrets(b"ticket: T-abcd1234"), "one condition alone is not enough"
    assert own.secrets(b"npm_" + b"a1B2" * 9) == [], "that rule is off"
    assert own.secrets(b"ghp_" + b"a1B2" * 9), "the shipped rules go on"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rules", "not TOML"),
        ("[[rules]]\nid='a'\nregexp='x'", "regexp"),
        ("[[rules]]\nid='a'\nregex='''(?=x)'''", "RE2"),
        ("[[rules]]\nid='a'\nregex='''x'''\nsecretGroup=3", "secretGroup"),
        ("title='nothing'", "no rules"),
        ("[extend]\nurl='https://x'", "extend.url"),
        ("[extend]\npath='gitleaks.toml'", "too deeply"),
    ],
)
def test_a_wrong_file_of_rules_is_refused(tmp_path, text, said):
    path = tmp_path / "gitleaks.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=said):
        read_rules(path).compile()


def test_a_missing_file_of_rules_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file of rules"):
        read_rules(tmp_path / "none.toml")
