"""`watchkeeper demo`: the console on a small living world; or, for machines, two histories replayed."""

import os
import sys
from typing import Final

import click

_SEED: Final = 7


@click.command()
@click.option("--headless", is_flag=True, help="Serve nothing: print the histories' results, and exit.")
@click.option("--open/--no-open", "opens", default=None, help="Open a browser. [default: on a screen]")
@click.option("--seed", default=_SEED, show_default=True, help="Another seed is another made-up world.")
@click.option("--quick", is_flag=True, help="Leave out the made-up weeks, which take most of the time.")
def demo(headless: bool, opens: bool | None, seed: int, quick: bool) -> None:
    """Open the console on a small living world: agents ask, one misbehaves, and you press the buttons.

    The service runs on a folder of its own, `demo` in the data folder, which each demo begins anew. Ctrl-C
    ends it. Meanwhile a bundled week is replayed: what Watchkeeper would have allowed, held and denied, and
    why; then a made-up world runs for some simulated weeks, in which one agent earns its authority from
    replay to 100 % and another is stopped at 1 %, and is replayed as well. --headless prints both instead.
    """
    if headless:
        from watchkeeper.demo_histories import print_histories

        print_histories(seed, quick=quick)
        return
    from watchkeeper.demo_service import run_demo

    opened = has_screen() if opens is None else opens
    raise SystemExit(run_demo(seed=seed, opens=opened, histories=not quick))


def has_screen() -> bool:
    """Whether there is a screen to open a browser on."""
    return bool(
        sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
