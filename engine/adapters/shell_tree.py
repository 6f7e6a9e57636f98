"""Command texts as the Bash grammar of tree-sitter reads them: every simple command, and what is not plain
about it.

It reads as much as it can, for a harmful form may stand anywhere; whatever it cannot be sure of becomes a
note, and a text with a note is never found harmless. Nothing is run, and no file is looked at.
"""

import re
from typing import Final

import tree_sitter_bash
from msgspec import Struct
from tree_sitter import Language, Node, Parser

_LANGUAGE: Final = Language(tree_sitter_bash.language())
_MOST_NODES: Final = 6_000
_DEEPEST: Final = 60
_LONGEST_WORD: Final = 4_000
"""A word that variables blow up to more letters is cut: variables in variables would double it again and
again."""
_PLAIN: Final = frozenset(
    "program list pipeline command command_name redirected_statement file_redirect word raw_string string"
    " string_content number concatenation comment file_descriptor".split()
)
_PARTS: Final = frozenset(
    "variable_name special_variable_name heredoc_start heredoc_end heredoc_content heredoc_body unset"
    " export"
    " declare readonly local typeset test_operator".split()
)
"""What only stands inside something that has a note already."""
_NOTES: Final = {
    "function_definition": ("function", "it defines a function, which may stand for any command"),
    "heredoc_redirect": ("heredoc", "it passes on a text of its own"),
    "herestring_redirect": ("heredoc", "it passes on a text of its own"),
    "command_substitution": ("dynamic-word", "what another command prints becomes part of it"),
    "process_substitution": ("dynamic-word", "it stands in for a file with what a command prints"),
    "simple_expansion": ("dynamic-word", "part of it is known only when it runs"),
    "expansion": ("dynamic-word", "part of it is known only when it runs"),
    "arithmetic_expansion": ("dynamic-word", "part of it is known only when it runs"),
    "ansi_c_string": ("coded-word", "part of it is spelled in codes"),
    "translated_string": ("coded-word", "part of it depends on the language set"),
    "brace_expression": ("dynamic-word", "braces make several words of one"),
    "variable_assignment": ("assignment", "it sets a variable"),
    "ERROR": ("unreadable", "the parser cannot make sense of a part"),
}
_EXPANSIONS: Final = frozenset({"simple_expansion", "expansion", "command_substitution"})
_CODES: Final = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|c(.)|(.))", re.DOTALL
)
_LETTERS: Final = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_IN_QUOTES: Final = re.compile(r'\\([\\"$`\n])')


class Note(Struct, frozen=True):
    """What cannot be proven of a text, and where."""

    form: str
    reason: str
    start: int
    end: int


class Command(Struct):
    """One simple command as it will run, as far as that can be known."""

    argv: tuple[str, ...]
    """What is not known of a word is left out of it."""
    start: int
    end: int
    assigns: tuple[tuple[str, str], ...] = ()
    """Variables it sets for itself, or that stand alone."""
    redirects: tuple[tuple[str, str], ...] = ()
    """`(operator, file)`."""
    fed_by: tuple[tuple[str, ...], ...] = ()
    """The commands before it in its pipeline."""
    given: str = ""
    """A text passed to it, of a heredoc."""


class Reading(Struct):
    """What a text holds."""

    commands: list[Command]
    notes: list[Note]


class TreeReader:
    """Reads one text; made anew for each."""

    def __init__(self, known: dict[str, str] | None = None) -> None:
        """`known` are variables whose values stand in the text around this one."""
        self._known = dict(known or {})
        self._reading = Reading([], [])

    def read(self, text: str) -> Reading:
        """Take a text apart. Places count bytes of its UTF-8 form."""
        raw = text.encode("utf-8", "replace")
        # A parser keeps state of the text it is at, and readers may be asked by several threads.
        root = Parser(_LANGUAGE).parse(raw).root_node
        if root.descendant_count > _MOST_NODES:
            self._note("too-long", "it has too many parts to look at each", root)
        else:
            if root.has_error:
                self._note(*_NOTES["ERROR"], root)
            self._walk(root, 0, ())
        return self._reading

    def _note(self, form: str, reason: str, node: Node) -> None:
        self._reading.notes.append(Note(form, reason, node.start_byte, node.end_byte))

    def _walk(self, node: Node, depth: int, fed_by: tuple[tuple[str, ...], ...]) -> None:
        if depth > _DEEPEST:
            self._note("too-deep", "it is nested too deeply to look inside", node)
            return
        kind = node.type
        if node.is_named and kind not in _PLAIN and kind not in _PARTS and node.text != b"$?":
            self._note(
                *_NOTES.get(kind, ("construct", f"it is more than a list of commands ({_said(kind)})")), node
            )
        if kind in {"command", "declaration_command", "unset_command"}:
            self._command(node, fed_by)
        elif kind == "variable_assignment":
            self._assignment(node)
        elif kind == "redirected_statement":
            self._redirected(node, depth, fed_by)
            return
        elif kind == "pipeline":
            self._pipeline(node, depth, fed_by)
            return
        elif kind == "file_redirect":
            self._reading.commands.append(
                Command((), node.start_byte, node.end_byte, redirects=self._redirect(node))
            )
        for child in node.children:
            if child.child_count or child.is_named:
                self._walk(child, depth + 1, ())

    def _pipeline(self, node: Node, depth: int, fed_by: tuple[tuple[str, ...], ...]) -> None:
        feeding = fed_by
        for child in node.children:
            if not child.is_named:
                continue
            first = len(self._reading.commands)
            self._walk(child, depth + 1, feeding)
            feeding += tuple([command.argv for command in self._reading.commands[first:]])

    def _redirected(self, node: Node, depth: int, fed_by: tuple[tuple[str, ...], ...]) -> None:
        """Read a command with its redirections; a heredoc's text belongs to it, and to what it is piped
        into.
        """
        first = len(self._reading.commands)
        redirects: list[tuple[str, str]] = []
        given = ""
        for child in node.children:
            if child.type == "file_redirect":
                redirects += self._redirect(child)
                for inner in child.children:
                    self._walk(inner, depth + 2, ())
            elif child.type == "heredoc_redirect":
                given += self._heredoc(child, depth, first)
            elif child.type == "herestring_redirect":
                given += self._text_of(child.children[-1])
                self._walk(child, depth + 1, ())
            else:
                self._walk(child, depth + 1, fed_by)
        inside = self._reading.commands[first:]
        if not inside:
            inside = [Command((), node.start_byte, node.end_byte)]
            self._reading.commands += inside
        for command in inside:
            command.given += given
        inside[-1].redirects += tuple(redirects)

    def _heredoc(self, node: Node, depth: int, first: int) -> str:
        self._note(*_NOTES["heredoc_redirect"], node)
        given = ""
        for child in node.children:
            if child.type == "heredoc_body":
                given = (child.text or b"").decode("utf-8", "replace")
                for inner in child.children:
                    if inner.type != "heredoc_content":
                        self._walk(inner, depth + 2, ())
            elif child.is_named and child.type not in {"heredoc_start", "heredoc_end", "file_descriptor"}:
                feeding = tuple([command.argv for command in self._reading.commands[first:]])
                self._walk(child, depth + 1, feeding)
        return given

    def _redirect(self, node: Node) -> tuple[tuple[str, str], ...]:
        operator, targets = "", []
        for child in node.children:
            if not child.is_named and child.type != "ERROR":
                operator = child.type
            elif child.type not in {"file_descriptor", "ERROR"}:
                targets += self._words(child)
        if operator in {">&", "<&", ">&-", "<&-"} and all(target.isdigit() for target in targets):
            return ()
        return tuple([(operator, target) for target in targets])

    def _command(self, node: Node, fed_by: tuple[tuple[str, ...], ...]) -> None:
        argv: list[str] = []
        assigns: list[tuple[str, str]] = []
        redirects: list[tuple[str, str]] = []
        given = ""
        whole = node.type == "command"
        for child in node.children:
            if child.type == "variable_assignment" and whole and not argv:
                assigns.append(self._assigned(child))
            elif child.type == "file_redirect":
                redirects += self._redirect(child)
            elif child.type == "herestring_redirect":
                given += self._text_of(child.children[-1])
            elif child.is_named or not whole:
                argv += self._words(child)
        self._reading.commands.append(
            Command(
                tuple(argv), node.start_byte, node.end_byte, tuple(assigns), tuple(redirects), fed_by, given
            )
        )

    def _assignment(self, node: Node) -> None:
        name, value = self._assigned(node)
        self._known[name] = value
        self._reading.commands.append(Command((), node.start_byte, node.end_byte, ((name, value),)))

    def _assigned(self, node: Node) -> tuple[str, str]:
        name = node.children[0] if node.children else node
        value = node.children[-1] if len(node.children) > 2 else None
        said = (name.text or b"").decode("utf-8", "replace")
        return said, self._text_of(value) if value is not None else ""

    def _words(self, node: Node) -> list[str]:
        """Resolve one word, which braces and variables may make several of."""
        if node.type == "command_name" and node.children:
            node = node.children[0]
        raw = (node.text or b"").decode("utf-8", "replace")
        if "{" in raw and node.type in {"word", "concatenation", "brace_expression"} and "$" not in raw:
            before, _, rest = raw.partition("{")
            inside, _, behind = rest.rpartition("}")
            if "," in inside:
                self._note(*_NOTES["brace_expression"], node)
                return [before + each + behind for each in inside.split(",")[:100] if before + each + behind]
        said = self._text_of(node)
        if node.type in _EXPANSIONS or (
            node.type != "string" and any(child.type in _EXPANSIONS for child in node.children)
        ):
            # Unquoted, what it stands for is split at blanks; inside quotes it is a grandchild.
            return said.split() or [""]
        return [said]

    def _text_of(self, node: Node) -> str:
        """Resolve a piece of a word, as far as it is literal or a variable whose value stood in the text."""
        kind = node.type
        raw = (node.text or b"").decode("utf-8", "replace")
        if kind == "variable_assignment":
            return "=".join(self._assigned(node))
        if kind in {"simple_expansion", "expansion"}:
            if raw == "$?":
                return "0"
            name = raw.strip("${}")
            return " " if name == "IFS" or name.startswith("IFS") else self._known.get(name, "")
        if kind == "raw_string":
            return raw[1:-1]
        if kind == "ansi_c_string":
            return _CODES.sub(_decoded, raw[2:-1])
        if kind == "command_substitution":
            return self._printed(node)
        if kind == "string":
            inside = [child for child in node.children[1:-1] if child.is_named]
            if all(child.type == "string_content" for child in inside):
                # The grammar leaves blanks out of its pieces, so the whole is taken.
                return _IN_QUOTES.sub(lambda found: found[1].strip("\n"), raw[1:-1])
        elif not node.child_count:
            return _ESCAPED.sub(lambda found: found[1].strip("\n"), raw) if kind != "string_content" else raw
        parts, size = [], 0
        for child in node.children:
            if not child.is_named and kind != "concatenation":
                continue
            part = self._text_of(child)
            size += len(part)
            if size > _LONGEST_WORD:
                break
            parts.append(part)
        return "".join(parts)

    def _printed(self, node: Node) -> str:
        """Resolve `$(echo rm)`, for that is a way to spell rm."""
        inside = [child for child in node.children if child.is_named]
        if len(inside) == 1 and inside[0].type == "command" and len(inside[0].children) > 1:
            name, *rest = inside[0].children
            if name.text in {b"echo", b"printf"}:
                return " ".join(self._text_of(child) for child in rest if child.is_named)
        return ""


def _decoded(found: re.Match[str]) -> str:
    byte, short, long, octal, control, letter = found.groups()
    if byte or short or long:
        number = int(byte or short or long, 16)
    elif octal:
        number = int(octal, 8)
    elif control:
        number = ord(control) & 0x1F
    else:
        return _LETTERS.get(letter, letter)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number < 0xE000 else "\ufffd"


def _said(kind: str) -> str:
    return kind.replace("_", " ")
