"""What holds for every text: it is answered, wrapping hides nothing, and texts together are no safer."""

import shlex

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.shell.bypasses import BYPASSES, HARMLESS, HITS
from tests.shell.readers import RANK, SHIPPED

BAD = [text for texts in BYPASSES.values() for text in texts if 0 < len(text) < 200 and text.strip(" #ls")]
PIECES = st.sampled_from([
    *"|&;<>()$`\\\"'{}[]*?~#!=% \t\n\r\0é", "ls", "rm -rf /", "$(", "${", "$((", "<<E", "\nE\n", "[[", "]]",
    "if",
    "then", "fi", "do", "done", "case", "esac", "for", "in", "a=1", "sudo", "bash -c", "xargs", "-c", "--",
    "git",
    "&&", "||", "2>&1", ">/dev/null", "$'\\x41'", "eval", "trap", "find", "-exec", "{}", ";;", "function",
    "env",
    "timeout 5", "ssh", "\ud800",
])  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(PIECES, max_size=40).map("".join),
    st.lists(PIECES, max_size=30).map(" ".join),
)
WRAPPERS = [
    "bash -c {q}", "sh -c {q}", "dash -c {q}", "sudo sh -c {q}", "env sh -c {q}", "timeout 5 bash -c {q}",
    "nice bash -c {q}", "nohup sh -c {q}", "time sh -c {q}", "command sh -c {q}", "stdbuf -o0 sh -c {q}",
    "ssh host {q}", "eval {q}", "xargs sh -c {q}", "trap {q} EXIT", "alias ls={q}", "su -c {q}", "watch {q}",
    "find . -exec sh -c {q} \\;", "echo {q} | sh", "bash <<< {q}", "docker exec c sh -c {q}",
    "kubectl exec p -- sh -c {q}", "git -c alias.z=!{q} z", "busybox sh -c {q}", "setsid sh -c {q}",
]  # fmt: skip
"""What takes a command as text."""
AROUND = [
    "$({t}\n)", "({t}\n)", "{{ {t}\n}}", "if ls; then {t}\nfi", "f() {{ {t}\n}}; f", "cat <({t}\n)",
    'echo "$({t}\n)"', "while ls; do {t}\ndone", "sh <<'ENDED'\n{t}\nENDED",
    "coproc {{ {t}\n}}", "! {{ {t}\n}}",
]  # fmt: skip
"""What stands around a command."""


@given(TEXTS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example("\ud800")
@example("a[" * 1_000)
@example("{a," * 1_000)
@example("a|" * 2_000)
@example("a=xxxxxxxx;" + "a=$a$a;" * 200 + "$a")
@example("f() { f | f & }" * 300)
@example("ls " + "{" * 4_000)
@example("ls {" + "," * 4_000 + "}{")
@example("\n" * 4_000)
@example("awk '{print" + " " * 4_000 + "x'")
@example("python -c '" + 'run"' * 1_000 + "'")
@example("ls /" + "-" * 4_000)
@example("ls | " * 800)
def test_every_text_is_answered(text):
    seen = SHIPPED.look(text)
    assert seen.word in {"ok", "unsure", "hit"}
    assert seen.reason
    assert 0 <= seen.start <= seen.end <= len(text)
    assert seen == SHIPPED.look(text)
    assert len(seen.reason) < 300


def active(text):
    """What of a text is shell: no comments, no escaped letters, and in quotes only $ and `."""
    found, quote, at = [], "", 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and quote != "'":
            at += 2
            found.append("x")
            continue
        if letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote = letter
        elif not quote and letter == "#" and (not found or found[-1] in " \t\n;|&<>"):
            while at < len(text) and text[at] != "\n":
                at += 1
            continue
        else:
            found.append(letter if not quote or (quote == '"' and letter in "$`") else "x")
        at += 1
    return "".join(found)


@given(st.lists(PIECES, max_size=8).map(lambda pieces: "ls " + "".join(pieces)) | TEXTS)
@settings(max_examples=300, deadline=None)
@example("ls {")
@example("ls # $(id)")
@example("ls a#$(id)")
@example("ls '#' $(id)")
@example('ls "$(id)"')
@example('ls "\\$(id)"')
@example("ls {a,b}")
def test_what_is_harmless_has_only_harmless_words(text):
    """A text with what shells give a meaning beyond lists is never harmless, whatever the grammar says."""
    if SHIPPED.look(text).word == "ok":
        outside = active(text).replace("$?", "")
        assert not set(outside) & set("$`()\r\0")
        assert not any(set(word) & set("{}") and ("," in word or ".." in word) for word in outside.split())


@pytest.mark.parametrize("wrapper", WRAPPERS + AROUND)
def test_no_wrapper_makes_a_command_harmless(wrapper):
    wrapped = {text: wrapper.format(q=shlex.quote(text), t=text) for text in BAD}
    assert [text for text, whole in wrapped.items() if SHIPPED.look(whole).word == "ok"] == []


@pytest.mark.parametrize(
    "prefix", ["sudo", "env", "timeout 5", "nice -n 3", "nohup", "time", "command", "stdbuf -oL", "xargs"]
)
def test_no_prefix_makes_a_command_harmless(prefix):
    assert [text for text in BAD if SHIPPED.look(f"{prefix} {text}").word == "ok"] == []


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_harmful_form_is_seen_inside_every_wrapper(wrapper):
    missed = [
        text
        for text in HITS
        if "\n" not in text and SHIPPED.look(wrapper.format(q=shlex.quote(text), t=text)).word != "hit"
    ]
    assert missed == []


@given(
    st.lists(st.sampled_from([*HARMLESS, *HITS, "mv a b", "ls $x", "X=1 ls"]), min_size=2, max_size=5),
    st.sampled_from(["\n", "\n\n", "\n# and\n"]),
)
@settings(max_examples=300, deadline=None)
def test_commands_together_are_no_safer_than_the_worst_of_them(texts, between):
    together = SHIPPED.look(between.join(texts))
    worst = max(RANK[SHIPPED.look(text).word] for text in texts)
    # The grammar loses sight of a here-document behind a pipe: that a person looks at it is what counts.
    assert RANK[together.word] >= (min(worst, RANK["unsure"]) if together.form == "heredoc" else worst)


@given(
    st.sampled_from(HARMLESS),
    st.sampled_from(BAD),
    st.sampled_from(["; ", " && ", " || ", " | ", "\n", " & "]),
)
@settings(max_examples=300, deadline=None)
def test_a_harmless_command_first_makes_what_follows_no_safer(harmless, bad, between):
    if "#" not in harmless:
        assert SHIPPED.look(harmless.rstrip("\n") + between + bad).word != "ok"
