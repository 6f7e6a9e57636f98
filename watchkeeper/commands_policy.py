"""`watchkeeper policy`: check a policy folder before anything decides by it."""

import shutil
from pathlib import Path

import click

from engine.adapters.files import storage_errors
from engine.errors import InputError
from engine.wiring import SHIPPED_POLICY, build_policy, read_policy
from engine.wiring.ladders import read_waking
from engine.wiring.policies import SHIPPED_CONFIG
from watchkeeper.home import folder as made
from watchkeeper.home import home


@click.group()
def policy() -> None:
    """Work with policy folders."""


@policy.command()
def init() -> None:
    """Copy the shipped configuration into the state folder, where it is yours to change."""
    target = home() / "config"
    if target.exists():
        raise InputError(
            "there is a configuration already", place=str(target), cure="change it, or move it away"
        )
    made("")
    with storage_errors(target):
        shutil.copytree(SHIPPED_CONFIG, target)
    click.echo(
        f"{target} is yours now: change it, check it with `watchkeeper policy check {target / 'policies'}`,"
    )
    click.echo("and start the engine anew")


@policy.command()
@click.argument("folder", type=click.Path(path_type=Path), default=SHIPPED_POLICY)
def check(folder: Path) -> None:
    """Check a policy folder and print its hash; without FOLDER, the shipped one.

    The people, schedules and ladders in the folder above are checked as well.
    """
    built = build_policy(read_policy(folder))
    read_waking(folder.parent)
    click.echo(
        f"ok: {len(built.actions)} actions, {len(built.limits)} limits, policy hash {built.policy_hash}"
    )
