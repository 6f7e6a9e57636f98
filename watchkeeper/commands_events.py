"""`watchkeeper events`: what may come in from outside, and what would be done about it."""

from pathlib import Path
from typing import IO

import click

from watchkeeper.home import CONFIG_VARIABLE, home

_config = click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with events.yaml, where it is not that of the state folder.",
)


@click.group()
def events() -> None:
    """See what may come in from outside, and try what would be done about it."""


@events.command("list")
@_config
def list_(config: Path | None) -> None:
    """List sources, rules and questions, and whether each source has its secret."""
    from engine.errors import WatchkeeperError
    from engine.runtime.layout import Layout
    from engine.wiring.events import read_events, secrets_of
    from engine.wiring.policies import config_folder
    from watchkeeper.tables import show, table

    state = home().resolve()
    file = read_events(config_folder(state, config))
    rows = []
    for name, source in file.sources.items():
        try:
            count = len(secrets_of(Layout(state), name))
            secret = "one" if count == 1 else "two: the old one counts too"
        except WatchkeeperError as missing:
            secret = str(missing)
        rules = ", ".join(rule.name for rule in file.rules if rule.source == name) or "none"
        rows.append((name, f"/v1/events/{name}", source.scheme, secret, rules))
    if not file.sources and not file.queries:
        click.echo("nothing comes in: events.yaml has no sources and no queries")
        return
    if rows:
        show([table(["source", "posts to", "scheme", "secret", "rules"], rows)])
    if file.queries:
        asked = [(name, f"{each.every_s:g} s", each.query) for name, each in file.queries.items()]
        show([table(["question", "every", "query"], asked)])


@events.command("try")
@click.argument("source")
@click.argument("file", type=click.File("rb"))
@click.option("--type", "type_", default="", help="Its type, where that stands in a header.")
@_config
def try_(source: str, file: IO[bytes], type_: str, config: Path | None) -> None:
    """Say what would be done about the body in FILE from SOURCE (- for standard input). Does none of it."""
    import msgspec

    from bot.events.acting import wanted
    from bot.events.reading import read
    from engine.adapters.machine_time import now_us
    from engine.errors import InputError
    from engine.wiring.events import read_events
    from engine.wiring.policies import config_folder

    known = read_events(config_folder(home().resolve(), config))
    if source not in known.sources:
        names = ", ".join(known.sources) or "there is none"
        raise InputError("no such source in events.yaml", place=source, cure=f"known: {names}")
    section, body = known.sources[source], file.read()
    headers = {"x-github-event": type_} if type_ else {}
    if b'"specversion"' in body:
        headers["content-type"] = "application/cloudevents+json"
    found = read(headers, body, signed_id="", id_at=section.id, id_header=None)
    for event in found:
        asked = wanted(source, section.trust, known.rules, event, now_us())
        if not asked:
            click.echo(f"no rule fits {event.type or 'it'}")
        for each in asked:
            click.echo(f"{each.rule}: {each.what}")
            click.echo(msgspec.json.format(msgspec.json.encode(each.request), indent=2).decode())
