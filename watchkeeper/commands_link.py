"""`watchkeeper link`: who is who on the chat platforms."""

import json
import time

import click
import msgspec

from watchkeeper.commands_override import captain, state_folder


@click.group()
def link() -> None:
    """Link chat accounts to people. A code, said as /link CODE in chat, makes whoever says it that person."""


@link.command()
@click.argument("person")
@click.option(
    "--role",
    type=click.Choice(["viewer", "responder", "captain"]),
    required=True,
    help="What they may do: look; approve, stop and undo; everything.",
)
def code(person: str, role: str) -> None:
    """Make a code for PERSON. It works once, within ten minutes. Takes a captain."""
    from engine.adapters.link_file import LinkFile
    from engine.core.vocabulary.ids import PersonId

    layout = state_folder()
    captain(layout)
    made = LinkFile(layout.links).code(PersonId(person), role)  # type: ignore[arg-type]  # click has checked it
    click.echo(f"{person} says in chat, within ten minutes:  /link {made}")


@link.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """Show who is linked."""
    from engine.adapters.link_file import LinkFile

    links = LinkFile(state_folder().links).all()
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(links), indent=2))
        return
    for each in links:
        since = time.strftime("%Y-%m-%d", time.gmtime(each.since_us / 1e6))
        who = f"{each.person:<20} {each.role:<10} {each.front:<9} {each.account_id}"
        click.echo(f"{who}  {each.name}  since {since}")
    if not links:
        click.echo("nobody is linked; `watchkeeper link code NAME --role ROLE` makes a code")


@link.command()
@click.argument("front", type=click.Choice(["discord", "slack"]))
@click.argument("account_id")
def revoke(front: str, account_id: str) -> None:
    """Take a link away. Takes a captain."""
    from engine.adapters.link_file import LinkFile
    from engine.errors import InputError

    layout = state_folder()
    captain(layout)
    gone = LinkFile(layout.links).unlink(front, account_id)
    if gone is None:
        raise InputError(f"nobody is linked to {front} {account_id}", cure="see watchkeeper link list")
    click.echo(f"{gone.person} is no longer linked to {front} {account_id}")
