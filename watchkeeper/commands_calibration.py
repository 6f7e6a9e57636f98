"""`watchkeeper calibration`: how far confidences came true."""

from pathlib import Path

import click
import msgspec

from engine.adapters.decisions_view import DecisionsView
from engine.commands.judging import bin_table, calibrations_in, score_table, score_text
from engine.commands.plain import table_lines
from engine.errors import InputError
from watchkeeper.home import default_journal


@click.command()
@click.argument("capability", required=False)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Journal to look in. [default: journal.db in the data folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def calibration(capability: str | None, journal: Path | None, as_json: bool) -> None:
    """Say how far the confidences of capabilities and rules came true, by outcomes and ratings.

    CAPABILITY is one with its version, or rule:NAME: then tenth by tenth.
    """
    with DecisionsView(journal or default_journal()) as view:
        found = calibrations_in(view)
    if capability is not None:
        wanted = capability if capability.startswith("rule:") else f"capability:{capability}"
        known = ", ".join(each.key.removeprefix("capability:") for each in found) or "none"
        found = [each for each in found if each.key == wanted]
        if not found:
            raise InputError(f"nothing is known of {capability} yet", cure=f"known: {known}")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    if not found:
        click.echo("no decision with a confidence has an outcome yet")
        return
    if capability is not None:
        lines = [score_text(found[0].curve), *table_lines(bin_table(found[0].curve))]
    else:
        lines = table_lines(score_table(found))
    click.echo("\n".join(lines))
