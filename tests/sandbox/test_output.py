"""What is kept of output, and what is taken out of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.redaction import Redactor
from engine.adapters.sandbox import Kept


@given(st.lists(st.binary(max_size=200), max_size=30), st.integers(2, 300))
def test_nothing_is_lost_below_the_cap_and_little_is_kept_above(pieces: list[bytes], most: int) -> None:
    kept = Kept(most)
    for piece in pieces:
        kept.feed(piece)
    whole = b"".join(pieces)
    if len(whole) <= most - 1:
        assert kept.text() == whole.decode(errors="replace")
        assert kept.cut_bytes == 0
    assert kept.cut_bytes <= len(whole)
    assert len(whole) - kept.cut_bytes <= most


def test_the_beginning_and_the_end_are_kept_with_a_note_between() -> None:
    kept = Kept(40)
    kept.feed(b"the beginning " + b"word " * 1000 + b"and the end")
    head, note, tail = kept.text().split("\n")
    assert head.startswith("the beginning")
    assert note == f"[… {kept.cut_bytes} bytes cut …]"
    assert tail.endswith("and the end")


def test_a_word_is_not_cut_in_two_for_half_a_secret_would_pass() -> None:
    token = "ghp_" + "a" * 36
    kept = Kept(60)
    kept.feed(f"begin {token} {'x ' * 500}{token} end".encode())
    assert "ghp_" not in kept.text()


@pytest.mark.parametrize(
    "secret",
    [
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1" * 15,
        "glpat-" + "x" * 20,
        "xoxb-123456789012-abcdef",
        "AKIA" + "ABCDEFGH" * 2,
        "sk-ant-api03-" + "k" * 40,
        "sk_live_" + "a" * 24,
        "AIza" + "b" * 35,
        "wk_" + "a" * 8 + "_" + "b" * 52,
        "npm_" + "c" * 36,
        "pypi-" + "d" * 40,
        "hf_" + "e" * 34,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "https://hooks.slack.com/services/T000/B000/XXXX",
        "https://discord.com/api/webhooks/123/abc-DEF",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_tokens_of_known_shape_are_taken_out(secret: str) -> None:
    text = Redactor()(f"before {secret} after")
    assert secret not in text
    assert text.startswith("before [redacted: ")
    assert text.endswith("] after")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted: credentials]"),
        ("'authorization': 'Basic Zm9vOmJhcg=='", "'authorization': 'Basic [redacted: credentials]'"),
        ("postgres://me:pa55@db/x", "postgres://me:[redacted: credentials]@db/x"),
        ("DB_PASSWORD=letmein", "DB_PASSWORD=[redacted: secret]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE and then it is cut", "[redacted: private key]"),
    ],
)
def test_what_stands_where_a_credential_stands_is_taken_out(text: str, redacted: str) -> None:
    assert Redactor()(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "a plain line, http://example.com/x@y and me@example.com",
        "token bucket; the password is wrong; secret santa",
        "commit 2f5ad82c5f5a0b1c9d8e7f6a5b4c3d2e1f0a9b8c",
        "basic training for bearers of bad news",
        "sk-learn and skimming",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor()(text) == text


@given(st.text(min_size=6, max_size=40).filter(lambda text: "[redacted" not in text and text.strip()))
def test_a_secret_we_know_is_never_seen_however_it_travels(secret: str) -> None:
    import base64
    from urllib.parse import quote

    redact = Redactor([secret])
    forms = [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()]
    for form in forms:
        assert redact(f"<<{form}>>") == "<<[redacted: known secret]>>"


def test_a_value_too_short_to_look_for_is_left_alone() -> None:
    assert Redactor(["on"])("come on") == "come on"
