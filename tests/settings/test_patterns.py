"""Text patterns and path patterns: several at once, in order, and the same however often they are asked."""

import pytest

from engine.adapters import patterns
from engine.adapters.patterns import Re2Patterns, path_patterns


def texts(*expressions):
    return Re2Patterns([(expression, "risk.yaml:1") for expression in expressions])


def paths(*globs):
    return path_patterns([(glob, "risk.yaml:1") for glob in globs])


def test_every_expression_that_matches_is_found_in_order():
    some = texts("c", "a", "b$", "(?i)A")
    assert some.found_in("abc") == (0, 1, 3)
    assert some.found_in("ab") == (1, 2, 3)
    assert some.found_in("x") == ()


def test_no_expressions_find_nothing():
    assert texts().found_in("anything") == ()


def test_answers_do_not_depend_on_what_was_asked_before(monkeypatch):
    monkeypatch.setattr(patterns, "_REMEMBERED", 3)
    some = texts("a", "b")
    for _ in range(3):
        for text in ("a", "b", "ab", "", "c", "a" * 500):
            expected = tuple(n for n, letter in enumerate("ab") if letter in text)
            assert some.found_in(text) == expected


@pytest.mark.parametrize(
    ("glob", "inside", "outside"),
    [
        ("**/.env*", [".env", "/a/.env", "a/b/.env.local", ".env/x"], ["env", "a.env"]),
        ("/etc/**", ["/etc/x", "etc/x", "/etc/a/b"], ["/a/etc/x", "/etcetera"]),
        ("secrets/", ["secrets/x", "a/secrets/"], ["secrets", "secrets.txt"]),
        ("*.pem", ["a.pem", "/b/a.pem", "a.pem/"], ["a.pem.txt", "pem"]),
        ("config/policies", ["config/policies/x", "/config/policies"], ["a/config/policies", "config"]),
        ("**", ["anything", "/"], [""]),
        ("a?c", ["abc", "x/abc"], ["a/c", "ac"]),
        ("[ab].txt", ["a.txt", "x/b.txt"], ["c.txt"]),
    ],
)
def test_path_patterns_read_as_lines_of_a_gitignore_do(glob, inside, outside):
    some = paths(glob)
    assert [path for path in inside if not some.found_in(path)] == []
    assert [path for path in outside if some.found_in(path)] == []


def test_a_line_break_in_a_name_hides_nothing():
    assert paths("**/.ssh/**").found_in("a\nb/.ssh/id") == (0,)
    assert paths("*.pem").found_in("a\n.pem") == (0,)
