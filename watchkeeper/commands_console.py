"""`watchkeeper console`: a link that lets somebody into the web console."""

import json
import re
import sys
import webbrowser
from typing import Final

import click

from engine.core.vocabulary.people_facts import Role
from engine.errors import InputError, Unreachable
from engine.runtime.layout import Layout
from watchkeeper.home import home

_WEB: Final = re.compile(r"https?://[^/\s]", re.IGNORECASE)


@click.command()
@click.option("--person", help="Who is let in. [default: whoever sits at this terminal]")
@click.option(
    "--role",
    type=click.Choice(["viewer", "responder", "captain"]),
    help="What they may do. [default: as the token at hand, or viewer for somebody else]",
)
@click.option(
    "--url", help="Where it is reached, such as the address of a proxy in front. [default: where it listens]"
)
@click.option("--open/--no-open", "opens", default=None, help="Open a browser. [default: on a screen]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def console(
    person: str | None,
    role: Role | None,
    url: str | None,
    opens: bool | None,
    as_json: bool,
) -> None:
    """Print a link into the web console. It works once, for a quarter of an hour."""
    from bot.http_api.address import read_address

    if url is not None and not _WEB.match(url):
        raise InputError(f"{url!r} is no address of a website", cure="begin it with https://")
    layout = Layout(home())
    address = read_address(layout.address)
    if address is None:
        raise Unreachable("the console does not run", cure="start it: watchkeeper up")
    link, name, chosen = link_for(layout, (url or address.url).rstrip("/"), person, role)
    if as_json:
        click.echo(json.dumps({"url": link, "person": name, "role": chosen}))
        return
    click.echo(link)
    click.echo(f"It lets in {name}, {chosen}, once, within 15 minutes.", err=True)
    if opens or (opens is None and sys.stdout.isatty()):
        webbrowser.open(link)


def link_for(
    layout: Layout, url: str, person: str | None = None, role: Role | None = None
) -> tuple[str, str, Role]:
    """Make a link into the console at `url`; return it, whom it lets in, and as what.

    `person=None` means whoever sits at this terminal; `role=None` the role of the token at hand for them, and
    viewer for anybody else. Raises `Forbidden` for a token at hand that is wrong.
    """
    from bot.web_console.sessions import Sessions, login_link
    from engine.adapters.token_file import TokenFile
    from watchkeeper.people import account

    own = account(layout)
    name = person or str(own.person)
    chosen = role or (own.role if person is None else None) or "viewer"
    return login_link(url, Sessions(TokenFile(layout.tokens)).invite(name, chosen)), name, chosen
