"""`watchkeeper token`: who may use the HTTP API, and as what."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import click

from bot.http_api.address import read_address
from engine.adapters.machine_time import now_us
from engine.adapters.token_file import Kind, TokenEntry, TokenFile, Use
from engine.core.vocabulary.units import DAY_US, time_text
from engine.errors import InputError
from engine.runtime.layout import Layout
from watchkeeper.home import home

# A year of hundredfold length is a typing mistake, and would not fit a date.
_MOST_DAYS = 36_500
_USES: Final[dict[Use, str]] = {
    "api": "",
    "login": ", a link into the web console that waits",
    "session": ", a browser that is logged in to the web console",
}


@click.group()
def token() -> None:
    """Make, list and revoke the tokens of agents, people and bodies. Changes count without a restart."""


@token.command()
@click.option("--agent", help="For this agent: a name of letters, digits, dots, dashes and underscores.")
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    metavar="GLOB",
    help="What the agent may propose under, such as 'heal@*'; may be given again. [default: anything]",
)
@click.option(
    "--owner",
    metavar="PERSON",
    help="Whose agent or body it is: who owns an agent does not count where an action's approval says so.",
)
@click.option("--body", help="For what performs effects on another machine: watchkeeper body.")
@click.option(
    "--pool",
    "pools",
    multiple=True,
    metavar="NAME",
    help="A pool the body belongs to, beside being one of its own name; may be given again.",
)
@click.option("--person", help="For this person.")
@click.option(
    "--role",
    type=click.Choice(["viewer", "responder", "captain"]),
    help="What the person may do: look; also stop and undo; also resume and promote.",
)
@click.option(
    "--expires",
    "days",
    type=click.IntRange(1, _MOST_DAYS),
    metavar="DAYS",
    help="Let it work for so many days. [default: until it is revoked]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(  # noqa: PLR0917 - click passes every option by name
    agent: str | None,
    capabilities: tuple[str, ...],
    owner: str | None,
    body: str | None,
    pools: tuple[str, ...],
    person: str | None,
    role: Literal["viewer", "responder", "captain"] | None,
    days: int | None,
    as_json: bool,
) -> None:
    """Make a token and print it, once: only its hash is kept."""
    named: list[tuple[Kind, str | None]] = [("agent", agent), ("person", person), ("body", body)]
    given = [(kind, name) for kind, name in named if name is not None]
    if len(given) != 1:
        raise InputError(
            "a token is for an agent or for a person, or for a body",
            cure="give --agent NAME, --person NAME or --body NAME",
        )
    ((kind, name),) = given
    entry, text = _tokens().create(
        kind=kind,
        name=name,
        pools=pools,
        role=role,
        capabilities=capabilities,
        expires_us=now_us() + days * DAY_US if days is not None else None,
        owner=owner,
    )
    if as_json:
        click.echo(json.dumps(_shown(entry) | {"token": text}))
        return
    click.echo(text)
    click.echo(f"\n{_who(entry)}; it is shown this once. To use it:\n", err=True)
    if entry.kind == "body":
        click.echo(f"  watchkeeper body init --engine {_url()}   # on its machine\n", err=True)
    else:
        click.echo(f"  curl -H 'Authorization: Bearer {text}' {_url()}/v1/decisions\n", err=True)
    click.echo(f"To take it back: watchkeeper token revoke {entry.id}", err=True)


@token.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a token a line.")
def list_(as_json: bool) -> None:
    """List the tokens. What they open cannot be found out from this, nor from the file."""
    entries = _tokens().entries()
    for entry in entries:
        if as_json:
            click.echo(json.dumps(_shown(entry)))
            continue
        until = "until revoked" if entry.expires_us is None else f"until {_day(entry.expires_us)}"
        if entry.expires_us is not None and entry.expires_us <= now_us():
            until = f"expired {_day(entry.expires_us)}"
        click.echo(f"{entry.id}  {_who(entry)}, since {_day(entry.created_us)}, {until}")
    if not entries and not as_json:
        click.echo("no tokens yet: watchkeeper token create --agent NAME", err=True)


@token.command()
@click.argument("token_id", metavar="[ID]", required=False)
@click.option(
    "--sessions-of",
    "person",
    metavar="PERSON",
    help="Log this person out of the web console everywhere, and let no login link of theirs in.",
)
def revoke(token_id: str | None, person: str | None) -> None:
    """Take a token back. Whoever holds it is refused from now on, and open streams with it end.

    A browser's session and a login link that waits are tokens, too: `token list` shows their ids.
    """
    tokens = _tokens()
    if (token_id is None) == (person is None):
        raise InputError("which one?", cure="give an ID of `watchkeeper token list`, or --sessions-of PERSON")
    if token_id is not None:
        ids = [token_id]
    else:
        ids = [entry.id for entry in tokens.entries() if entry.name == person and entry.use != "api"]
        if not ids:
            click.echo(f"{person} is logged in nowhere", err=True)
    for each in ids:
        entry = tokens.revoke(each)
        click.echo(f"revoked {entry.id}: {_who(entry)}", err=True)


def _tokens() -> TokenFile:
    return TokenFile(Layout(home()).tokens)


def _url() -> str:
    address = read_address(Layout(home()).address)
    return address.url if address is not None else "http://127.0.0.1:8765"


def _who(entry: TokenEntry) -> str:
    if entry.kind == "person":
        return f"person {entry.name}, {entry.role}{_USES[entry.use]}"
    if entry.kind == "body":
        of = f" of {entry.owner}" if entry.owner is not None else ""
        return f"body {entry.name}{of}, performs for {', '.join((entry.name, *entry.pools))}"
    whose = f" of {entry.owner}" if entry.owner is not None else ""
    return f"agent {entry.name}{whose}, proposes under {', '.join(entry.capabilities)}"


def _shown(entry: TokenEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "use": entry.use,
        "kind": entry.kind,
        "name": entry.name,
        "role": entry.role,
        "capabilities": list(entry.capabilities),
        "owner": entry.owner,
        "pools": list(entry.pools),
        "created": time_text(entry.created_us),
        "expires": time_text(entry.expires_us) if entry.expires_us is not None else None,
    }


def _day(at_us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).date().isoformat()
