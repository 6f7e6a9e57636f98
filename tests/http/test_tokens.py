"""Tokens: made once, kept as hashes, revoked at once, and never told apart by how long a wrong one takes."""

import hashlib
import json
import re
import stat
import threading

import pytest

from engine.adapters import token_file
from engine.adapters.machine_time import now_us
from engine.adapters.token_file import TokenFile, may_propose
from engine.core.vocabulary.units import DAY_US
from engine.errors import InputError, StorageError
from engine.ports import Holder


@pytest.fixture
def tokens(tmp_path):
    return TokenFile(tmp_path / "tokens.json")


def test_a_token_speaks_for_whom_it_was_made(tokens):
    entry, text = tokens.create(kind="agent", name="coder-1", capabilities=("heal@*",))
    assert re.fullmatch(r"wk_[a-z2-7]{8}_[a-z2-7]{52}", text)
    assert tokens.holder_of(text) == Holder(
        token_id=entry.id, kind="agent", name="coder-1", capabilities=("heal@*",)
    )
    _, person = tokens.create(kind="person", name="ann", role="captain")
    assert tokens.holder_of(person).role == "captain"


def test_the_file_holds_a_hash_and_no_secret(tokens, tmp_path):
    _, text = tokens.create(kind="agent", name="coder-1")
    secret = text.split("_")[2]
    body = (tmp_path / "tokens.json").read_text()
    assert secret not in body
    assert hashlib.sha256(secret.encode()).hexdigest() in body
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("wrong", ["", "wk_", "x", "wk_aaaaaaaa_" + "b" * 52, "wk_ä_\ud800", "\0" * 4096])
def test_what_is_no_token_is_nobodys(tokens, wrong):
    tokens.create(kind="agent", name="coder-1")
    assert tokens.holder_of(wrong) is None


def test_every_letter_of_a_token_counts(tokens):
    _, text = tokens.create(kind="agent", name="coder-1")
    for place in range(len(text)):
        other = "a" if text[place] != "a" else "b"
        assert tokens.holder_of(text[:place] + other + text[place + 1 :]) is None
    assert tokens.holder_of(text.upper()) is None
    assert tokens.holder_of(text + "a") is None


def test_an_unknown_id_is_compared_as_a_known_one_is(tokens, monkeypatch):
    compared = []
    real = token_file.hmac.compare_digest
    monkeypatch.setattr(
        token_file.hmac, "compare_digest", lambda one, two: compared.append((one, two)) or real(one, two)
    )
    entry, _ = tokens.create(kind="agent", name="coder-1")
    tokens.holder_of(f"wk_{entry.id}_" + "b" * 52)
    tokens.holder_of("wk_aaaaaaaa_" + "b" * 52)
    assert [len(two) for _, two in compared] == [64, 64]
    assert compared[0][0] == compared[1][0]


def test_a_token_past_its_time_is_refused(tmp_path):
    time = [now_us()]
    tokens = TokenFile(tmp_path / "tokens.json", now=lambda: time[0])
    _, text = tokens.create(kind="agent", name="coder-1", expires_us=time[0] + DAY_US)
    assert tokens.holder_of(text) is not None
    time[0] += DAY_US
    assert tokens.holder_of(text) is None


def test_what_another_process_revokes_is_refused_at_once(tokens, tmp_path):
    entry, text = tokens.create(kind="agent", name="coder-1")
    _, kept = tokens.create(kind="agent", name="coder-2")
    assert tokens.holder_of(text) is not None
    TokenFile(tmp_path / "tokens.json").revoke(entry.id)
    assert tokens.holder_of(text) is None
    assert tokens.holder_of(kept) is not None
    with pytest.raises(InputError, match="no token"):
        tokens.revoke(entry.id)


def test_without_a_file_there_are_no_tokens(tokens, tmp_path):
    _, text = tokens.create(kind="agent", name="coder-1")
    (tmp_path / "tokens.json").unlink()
    assert tokens.holder_of(text) is None
    assert tokens.entries() == ()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_lets_nobody_in(tokens, tmp_path, mode):
    _, text = tokens.create(kind="agent", name="coder-1")
    (tmp_path / "tokens.json").chmod(mode)
    with pytest.raises(StorageError, match="let themselves in"):
        tokens.holder_of(text)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"tokens": [{}]}', '{"version": 2, "tokens": []}', "[" * 100_000]
)
def test_a_garbled_file_lets_nobody_in(tokens, tmp_path, body):
    _, text = tokens.create(kind="agent", name="coder-1")
    (tmp_path / "tokens.json").write_text(body)
    with pytest.raises(InputError, match="not a list of tokens"):
        tokens.holder_of(text)
    with pytest.raises(InputError):
        tokens.create(kind="agent", name="coder-2")
    assert (tmp_path / "tokens.json").read_text() == body, "what could not be read is not written over"


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path):
    made, failed = [], []

    def make(number):
        try:
            made.append(TokenFile(tmp_path / "tokens.json").create(kind="agent", name=f"a-{number}")[1])
        except Exception as error:  # noqa: BLE001 - handed to the thread that asks
            failed.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = TokenFile(tmp_path / "tokens.json")
    assert not failed
    assert {tokens.holder_of(text).name for text in made} == {f"a-{number}" for number in range(16)}


@pytest.mark.parametrize("name", ["", "a:b", "a/b", "-a", "a b", "ä", "a\n", "x" * 65])
def test_a_name_could_not_be_taken_for_another(tokens, name):
    with pytest.raises(InputError, match="is not a name"):
        tokens.create(kind="agent", name=name)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "agent", "role": "captain"},
        {"kind": "person"},
        {"kind": "person", "role": "viewer", "capabilities": ("a",)},
        {"kind": "agent", "capabilities": (" ",)},
    ],
)
def test_parts_that_do_not_fit_are_refused(tokens, values):
    with pytest.raises(InputError):
        tokens.create(name="x", **values)


@pytest.mark.parametrize(
    ("pattern", "capability", "covered"),
    [
        ("*", "pay@1", True),
        ("heal", "heal@1", True),
        ("heal", "heal@2", True),
        ("heal@1", "heal@2", False),
        ("heal@*", "heal@2", True),
        ("heal@*", "healer@2", False),
        ("HEAL", "heal@1", False),
        ("[!p]*", "pay@1", False),
    ],
)
def test_patterns_cover_versions_and_names(pattern, capability, covered):
    holder = Holder(token_id="a", kind="agent", name="x", capabilities=(pattern,))
    assert may_propose(holder, capability) is covered


# ---------------------------------------------------------------- the command


@pytest.fixture
def here(tmp_path, monkeypatch):
    from tests.cli.running import here as run_here

    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "home"))
    return run_here


def test_the_command_makes_lists_and_revokes(here, tmp_path):
    made = here("token", "create", "--agent", "coder-1", "--capability", "heal@*", "--expires", 30)
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    tokens = TokenFile(tmp_path / "home" / "tokens.json")
    holder = tokens.holder_of(text)
    assert (holder.name, holder.capabilities) == ("coder-1", ("heal@*",))
    assert f"Authorization: Bearer {text}" in made.stderr
    listed = here("token", "list")
    assert f"{holder.token_id}  agent coder-1, proposes under heal@*" in listed.stdout
    assert text.split("_")[2] not in listed.output
    assert here("token", "revoke", holder.token_id).exit_code == 0
    assert tokens.holder_of(text) is None


def test_the_command_speaks_json(here):
    made = json.loads(here("token", "create", "--person", "ann", "--role", "captain", "--json").stdout)
    assert made["token"].startswith("wk_")
    (listed,) = [json.loads(line) for line in here("token", "list", "--json").stdout.splitlines()]
    assert listed == {name: value for name, value in made.items() if name != "token"}
    assert "hash" not in listed


def test_an_expired_token_is_listed_as_such(here, tmp_path):
    tokens = TokenFile(tmp_path / "home" / "tokens.json")
    tokens.create(kind="agent", name="coder-1", expires_us=1)
    assert "expired 1970-01-01" in here("token", "list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "for an agent or for a person"),
        (["--agent", "a", "--person", "b"], "for an agent or for a person"),
        (["--person", "b"], "a person needs a role"),
        (["--agent", "a:b"], "is not a name"),
        (["--agent", "a", "--body", "b"], "for an agent or for a person, or for a body"),
        (["--body", "b", "--role", "viewer"], "a body has no role"),
        (["--body", "b", "--capability", "x"], "a body does not propose"),
        (["--body", "b", "--pool", "a/b"], "is not a name"),
        (["--agent", "b", "--pool", "dev"], "only bodies belong to pools"),
    ],
)
def test_the_command_refuses_in_one_line(here, words, said):
    refused = here("token", "create", *words)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_with_no_tokens_the_list_says_how_to_make_one(here):
    assert "watchkeeper token create" in here("token", "list").stderr
    assert here("token", "revoke", "aaaaaaaa").exit_code == 2
