"""`watchkeeper totp`: one-time codes for what is of class A."""

import sys

import click

from watchkeeper.commands_override import captain, state_folder


@click.group()
def totp() -> None:
    """Enrol for one-time codes. Whatever is of class A takes two people, each with a code."""


@totp.command()
def enrol() -> None:
    """Show a picture to scan with an authenticator app, once, and take the first code. Takes a responder."""
    import segno

    from engine.adapters.totp_file import TotpFile
    from engine.errors import InputError

    layout = state_folder()
    person = captain(layout, "responder")
    if not sys.stdin.isatty():
        raise InputError("a seed is shown to a person, not to a pipe", cure="run it at a terminal")
    codes = TotpFile(layout.totp)
    made = codes.enrol(person)
    segno.make_qr(made.uri).terminal(compact=True)
    click.echo(f"\nKey, to type instead: {made.spaced}\nIt is shown this once.\n")
    codes.confirm(person, click.prompt("The first code your app shows", hide_input=True))
    click.echo(f"The codes of {person} count from now on.")


@totp.command("list")
def list_() -> None:
    """Show who has one-time codes."""
    from engine.adapters.totp_file import TotpFile

    people = TotpFile(state_folder().totp).people()
    for person in people:
        click.echo(person)
    if not people:
        click.echo("nobody has one-time codes yet: watchkeeper totp enrol", err=True)


@totp.command()
@click.argument("person")
def reset(person: str) -> None:
    """Take the codes of PERSON away, whose phone is lost; they enrol anew. Takes a captain."""
    from engine.adapters.totp_file import TotpFile
    from engine.core.vocabulary.ids import PersonId

    layout = state_folder()
    captain(layout)
    TotpFile(layout.totp).forget(PersonId(person))
    click.echo(f"{person} has no one-time codes now", err=True)
