"""`watchkeeper policy`: check a policy folder before anything decides by it."""

from pathlib import Path

import click

from engine.wiring import SHIPPED_POLICY, build_policy, read_policy


@click.group()
def policy() -> None:
    """Work with policy folders."""


@policy.command()
@click.argument("folder", type=click.Path(path_type=Path), default=SHIPPED_POLICY)
def check(folder: Path) -> None:
    """Check a policy folder and print its hash; without FOLDER, the shipped one."""
    built = build_policy(read_policy(folder))
    click.echo(
        f"ok: {len(built.actions)} actions, {len(built.limits)} limits, policy hash {built.policy_hash}"
    )
