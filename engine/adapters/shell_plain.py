"""The plainest shell texts, read by ourselves: lists of commands whose words are all literal.

Only such a text can be found harmless, and only where this reading and the parser's agree: a text that two
readers take apart differently may run as neither of them thinks. Whatever is not surely plain gives `None`.
"""

import re
from typing import Final

from msgspec import Struct

_BLANK: Final = re.compile(r"[ \t]+")
_COMMENT: Final = re.compile(r"#[^\n]*")
_END: Final = re.compile(r"&&|\|\||;(?!;)|\|(?!&)|&(?![&>])|\n")
_COPY: Final = re.compile(r"([0-9]?)>&([0-9])(?=[ \t\n;|&]|$)")
_REDIRECT: Final = re.compile(r"([0-9]?)(>>|>(?![>&|(])|<(?![<>&(])|(?<![0-9])&>(?!>))[ \t]*")
_PIECES: Final = re.compile(
    r"""(?P<bare>[A-Za-z0-9_./:,@%+^\-]+|[^\W\d_]+)   # letters that mean themselves, of any script
    |'(?P<single>[^']*)'
    |"(?P<double>(?:[^"\\$`]|\\[^\n]|\$\?)*)"
    |\\(?P<escaped>[^\n])
    |(?P<glob>[*?\[\]])
    |(?P<odd>[=~\#!{}])
    |(?P<status>\$\?)""",
    re.VERBOSE,
)
_ESCAPES: Final = re.compile(r'\\([\\"$`])')
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[.*\])?\+?=")
_KEYWORDS: Final = frozenset(
    "if then elif else fi for while until do done case esac select function coproc in { } ! [[ ]]".split()
)


class PlainWord(Struct, frozen=True):
    """One word as the program gets it."""

    text: str
    globs: bool = False
    """Whether the shell puts names of files in its place."""


class PlainCommand(Struct, frozen=True):
    """One simple command."""

    words: tuple[PlainWord, ...]
    redirects: tuple[tuple[str, str], ...]
    """`(operator, file)`; copies of a descriptor such as `2>&1` are left out."""
    start: int
    end: int

    @property
    def argv(self) -> tuple[str, ...]:
        """Its words as text."""
        return tuple([word.text for word in self.words])


def read_plain(text: str) -> list[PlainCommand] | None:
    """Take a text apart; `None` where it is not plain.

    >>> [command.argv for command in read_plain("git log -3 | grep 'a b' 2>/dev/null; ls")]
    [('git', 'log', '-3'), ('grep', 'a b'), ('ls',)]
    >>> read_plain("ls $(id)"), read_plain("A=1 ls"), read_plain("for f in *; do ls; done")
    (None, None, None)
    """
    commands: list[PlainCommand] = []
    words: list[PlainWord] = []
    redirects: list[tuple[str, str]] = []
    at, start, size, end = 0, 0, len(text), 0
    while at < size:
        if blank := _BLANK.match(text, at):
            at = blank.end()
            continue
        if text[at] == "#":
            comment = _COMMENT.match(text, at)
            at = comment.end() if comment else size
            continue
        if over := _END.match(text, at):
            if words or redirects:
                commands.append(PlainCommand(tuple(words), tuple(redirects), start, end))
            words, redirects, at = [], [], over.end()
            continue
        if not words and not redirects:
            start = at
        if copy := _COPY.match(text, at):
            at = end = copy.end()
            continue
        if opened := _REDIRECT.match(text, at):
            found = _word(text, opened.end())
            if found is None or found[0].globs:
                return None
            redirects.append((opened[2], found[0].text))
            at = end = found[1]
            continue
        found = _word(text, at)
        if found is None or (not words and _opens(text[at : found[1]])):
            return None
        words.append(found[0])
        at = end = found[1]
    if words or redirects:
        commands.append(PlainCommand(tuple(words), tuple(redirects), start, end))
    # Redirections alone, with no program, make files.
    return commands if all(command.words for command in commands) else None


def _opens(raw: str) -> bool:
    """Whether a first word is no program but begins something."""
    return raw in _KEYWORDS or _ASSIGNMENT.match(raw) is not None


def _word(text: str, at: int) -> tuple[PlainWord, int] | None:
    """Read the word that begins here; `None` where none does, or it is not literal."""
    pieces: list[str] = []
    first, globs, braces = at, False, False
    while piece := _PIECES.match(text, at):
        kind, value = piece.lastgroup, piece[piece.lastgroup or 0]
        if kind == "odd":
            # A leading ~ is a home folder, and to some shells a leading = the place of a program.
            if value in "~=" and (at == first or text[at - 1] in ":="):
                return None
            braces = braces or value in "{}"
        elif kind == "glob":
            globs = True
        elif kind == "double":
            value = _ESCAPES.sub(r"\1", value.replace("$?", "0"))
        elif kind == "status":
            value = "0"
        pieces.append(value)
        at = piece.end()
    if at == first or (at < len(text) and text[at] not in " \t\n;|&<>"):
        return None
    # With a comma or two points in them, braces make several words of one.
    if braces and ("," in text[first:at] or ".." in text[first:at]):
        return None
    # `a>b` is a redirection of a, but `2>b` is one of the second descriptor: leave that to the parser.
    if at < len(text) and text[at] in "<>" and text[first:at].isdigit():
        return None
    return PlainWord("".join(pieces), globs), at
