"""Differences as people read them: unified, with a limit, and in words where there is no text."""

import difflib
from itertools import islice
from typing import Final

from engine.adapters.workspace_paths import FileState

_MOST_LINES: Final = 200
# Comparing takes time that grows with the square of the lines; what is longer is told in words.
_MOST_BYTES: Final = 256 << 10
_MOST_COMPARED: Final = 5_000


def difference(
    path: str, old: FileState, new: FileState, old_content: bytes | None, new_content: bytes | None
) -> str:
    """Say how a file differs, at most 200 lines; empty when it does not.

    A content of `None` is not at hand.
    """
    if old.same(new):
        return ""
    lines = [f"--- {_name('a', path, old)}", f"+++ {_name('b', path, new)}"]
    if old.kind == new.kind == "file" and old.mode != new.mode:
        lines.append(f"mode {old.mode:04o} → {new.mode:04o}")
    if "link" in {old.kind, new.kind}:
        lines += [f"-{_described(old)}", f"+{_described(new)}"]
    elif old.sha256 != new.sha256:
        lines += _content_lines(old, new, old_content, new_content)
    return "\n".join(lines) + "\n"


def _name(side: str, path: str, state: FileState) -> str:
    return "/dev/null" if state.kind == "absent" else f"{side}/{path}"


def _described(state: FileState) -> str:
    if state.kind == "link":
        return f"a link to {state.target}"
    return "nothing" if state.kind == "absent" else f"a file of {state.size} bytes"


def _content_lines(
    old: FileState, new: FileState, old_content: bytes | None, new_content: bytes | None
) -> list[str]:
    before = _text_lines(b"" if old.kind == "absent" else old_content)
    after = _text_lines(b"" if new.kind == "absent" else new_content)
    if before is None or after is None:
        return [f"-{_described(old)}", f"+{_described(new)} (not text, or too long to compare)"]
    found = list(islice(difflib.unified_diff(before, after, lineterm="", n=3), 2, _MOST_LINES + 3))
    if len(found) > _MOST_LINES:
        found[_MOST_LINES:] = ["[the rest is left out]"]
    return found


def _text_lines(content: bytes | None) -> list[str] | None:
    if content is None or len(content) > _MOST_BYTES or b"\0" in content:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        lines[-1] += "\n\\ No newline at end of file"
    return lines if len(lines) <= _MOST_COMPARED else None
