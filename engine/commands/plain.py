"""A reply as plain text: for terminals, scripts, fall-backs, and whoever compares what platforms say."""

from engine.commands.model import Reply, Table

_MARKS = {"plain": "", "good": "✓ ", "warning": "⚠ ", "danger": "✗ "}
_GAP = "  "


def plain(reply: Reply, *, buttons: bool = True) -> str:
    """Write a reply as lines of text, everything that it says in the order in which it says it."""
    lines = [_MARKS[reply.tone] + reply.title]
    if reply.text:
        lines += reply.text.splitlines()
    for name, value in reply.fields:
        first, *more = value.splitlines() or [""]
        lines.append(f"{name}: {first}")
        lines += [" " * (len(name) + 2) + line for line in more]
    if reply.table is not None:
        lines += table_lines(reply.table)
    if reply.file is not None:
        lines.append(f"file: {reply.file}")
    if reply.footer:
        lines.append(f"({reply.footer})")
    if buttons and reply.buttons:
        lines.append(" ".join(f"[{button.label}]" for button in reply.buttons))
    return "\n".join(lines)


def table_lines(table: Table) -> list[str]:
    """Write a table with its columns under each other."""
    rows = [table.columns, *table.rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.columns))]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
