"""Tables of the docs, made from the code they describe. `make docs` writes them into the pages."""

import re
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from engine.core.decide import GATES
from engine.core.gates.rules import RULE_FACTS
from engine.core.kpis.definitions import MEANINGS
from engine.core.vocabulary.facts import FACT_TYPES
from engine.core.vocabulary.units import SECOND_US, duration_text
from engine.core.vocabulary.verdicts import RULING_RANK
from engine.wiring import SHIPPED_CONFIG, SHIPPED_POLICY
from engine.wiring.kpis import read_kpis
from simulator.fail_if import FIGURES
from simulator.importers import FORMATS


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def facts() -> str:
    """List every fact with its fields."""
    rows = []
    for tag, kind in sorted(FACT_TYPES.items()):
        fields = ", ".join(
            f"`{field.name}`" for field in msgspec.structs.fields(kind) if field.name != "at_us"
        )
        rows.append((f"`{tag}`", first_line(kind.__doc__), fields))
    return table(("fact", "what happened", "fields besides `at_us`"), rows)


def rule_facts() -> str:
    """List what conditions may use."""
    return table(
        ("name", "type", "meaning"),
        [(f"`{name}`", fact.type, fact.meaning) for name, fact in RULE_FACTS.items()],
    )


def figures() -> str:
    """List what `--fail-if` may use."""
    names = {int: "int", float: "double"}
    return table(
        ("figure", "type", "meaning"),
        [(f"`{name}`", names[kind], meaning) for name, (kind, meaning) in FIGURES.items()],
    )


def gates() -> str:
    """List the gates in the order in which a verdict names them."""
    rows = []
    for gate in GATES:
        module = __import__(f"engine.core.gates.{gate}", fromlist=[gate])
        rows.append((f"`{gate}`", first_line(module.__doc__).partition(": ")[2]))
    return table(("gate", "what it asks"), rows)


def rulings() -> str:
    """List the rulings, mildest first."""
    return " < ".join(f"`{ruling}`" for ruling in sorted(RULING_RANK, key=RULING_RANK.__getitem__))


def formats() -> str:
    """List the formats that can be imported."""
    return table(("format", "what it reads"), [(f"`{one.name}`", one.summary) for one in FORMATS.values()])


def routes() -> str:
    """List what the HTTP API answers, as its own document has it."""
    from bot.http_api.app import described

    rows = [
        (f"`{method.upper()} {path}`", operation["summary"], operation.get("description", ""))
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    ]
    return table(("request", "what it does", "more"), rows)


def problems() -> str:
    """List every kind of problem the HTTP API answers with."""
    from bot.http_api.problems import TITLES

    rows = [(f"`urn:watchkeeper:{kind}`", str(status), title) for kind, (status, title) in TITLES.items()]
    return table(("type", "status", "title"), rows)


def kpi_kinds() -> str:
    """List what each kind of KPI counts."""
    rows = [(f"`{kind}`", *said) for kind, said in MEANINGS.items()]
    return table(("kind", "what it is", "unit", "from the facts"), rows)


def shipped_kpis() -> str:
    """List the KPIs of the shipped configuration."""
    rows = []
    for kpi in read_kpis(SHIPPED_CONFIG):
        target = f"at least {kpi.at_least:g}" if kpi.at_least is not None else f"at most {kpi.at_most:g}"
        window = duration_text(kpi.window_us / SECOND_US)
        rows.append((kpi.name, f"`{kpi.kind}`", kpi.shows, window, target, f"{kpi.least:,}"))
    return table(("name", "kind", "what it shows", "window", "target", "least"), rows)


def metrics() -> str:
    """List every metric that a scrape gets, by where it comes from."""
    from bot.http_api.metric_table import METRICS, SOURCES

    parts = []
    for source, text in SOURCES.items():
        rows = [
            (
                f"`{metric.name}`",
                metric.kind,
                ", ".join(f"`{label}`" for label in metric.labels) or "-",
                metric.help,
            )
            for metric in METRICS
            if metric.source == source
        ]
        parts += [
            f"**From {text}**.",
            table(("metric", "kind", "labels", "what it is"), rows),
        ]
    return "\n\n".join(parts)


def alerts() -> str:
    """List the alert rules that ship."""
    from watchkeeper.monitoring.alerts import ALERTS

    rows = [
        (
            f"[{alert.name}](../runbooks/alerts.md#{alert.name.casefold()})",
            alert.severity,
            "at once" if alert.after == "0s" else alert.after,
            f"`{alert.expr}`",
        )
        for alert in ALERTS
    ]
    return table(("alert", "severity", "after", "when"), rows)


def rollout_settings() -> str:
    """List the keys of `rollouts.yaml`, as the shipped file explains them."""
    rows: list[tuple[str, ...]] = []
    above: list[str] = []
    sections: list[str] = []
    for line in (SHIPPED_POLICY / "rollouts.yaml").read_text().splitlines():
        found = re.fullmatch(r"( *)(\w+):\s*(.*?)\s*(?:# (.*))?", line)
        if found is None:
            above = [*above, line[2:]] if line.startswith("# ") else []
            continue
        indent, key, value, said = found.groups()
        sections = [*sections[: len(indent) // 2], key]
        if value:
            rows.append((f"`{'.'.join(sections)}`", f"`{value}`", said or " ".join(above)))
        above = []
    return table(("key", "as shipped", "meaning"), rows)


def chat_commands() -> str:
    """List every command of the chat language."""
    from engine.commands.catalogue import LANGUAGE

    rows = [
        (f"`{each.usage()}`", each.role, "asks" if each.asks_first else "", each.summary())
        for each in LANGUAGE.listed()
    ]
    return table(("command", "role", "", "what it does"), rows)


def commands() -> str:
    """Describe every command as its own help does."""
    from watchkeeper.cli import main

    return "\n\n".join(_command(main, "watchkeeper"))


def _command(command: click.Command, path: str) -> list[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        inner = [command.get_command(context, name) for name in command.list_commands(context)]
        return [part for one in inner if one is not None for part in _command(one, f"{path} {one.name}")]
    arguments = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    help_text = " ".join((command.help or "").split())
    rows = [_option(option, context) for option in command.params if isinstance(option, click.Option)]
    parts = [f"### {' '.join([path, *arguments])}", help_text]
    if rows:
        parts.append(table(("option", "meaning", "default"), rows))
    return parts


def _option(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    name = ", ".join(f"`{one}`" for one in option.opts)
    if not option.is_flag:
        name += f" {option.make_metavar(context)}"
    said, given = option.help or "", ""
    if match := re.search(r" ?\[default: (.+)\]", said):
        said, given = said.replace(match[0], ""), match[1]
    elif option.show_default:
        given = option.show_default if isinstance(option.show_default, str) else str(option.default)
    return name, said, given


def first_line(text: Any) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join(str(text).strip().partition("\n\n")[0].split())
