"""`python -m watchkeeper.monitoring` writes the files that ship; `--check` says which are out of date."""

import json
import sys
from pathlib import Path
from typing import Final

import click

from watchkeeper.monitoring.alerts import rules_text
from watchkeeper.monitoring.dashboards import DASHBOARDS
from watchkeeper.monitoring.panels import model

FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy"
_HEAD: Final = (
    "Made from watchkeeper/monitoring/alerts.py by `make docs`. docs/howto/metrics.md says how to use it."
)


def files() -> dict[str, str]:
    """Return what ships, by its place below `deploy`."""
    made = {"prometheus/watchkeeper.rules.yaml": rules_text(_HEAD)}
    for dashboard in DASHBOARDS:
        text = json.dumps(model(dashboard), indent=2, ensure_ascii=False)
        made[f"grafana/{dashboard.uid}.json"] = f"{text}\n"
    return made


def stale(folder: Path = FOLDER) -> list[str]:
    """Name each file that is missing, differs from what the code makes, or is no longer made."""
    made = files()
    there = {
        path.relative_to(folder).as_posix()
        for room in sorted({name.partition("/")[0] for name in made})
        for path in (folder / room).glob("*")
    }
    kept = {name for name in there & made.keys() if (folder / name).read_text() == made[name]}
    return sorted((there | made.keys()) - kept)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when a file is out of date.")
def main(*, check: bool) -> None:
    """Write the alert rules and dashboards into `deploy`."""
    if not check:
        for name, text in files().items():
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(text)
    left = stale()
    for name in left:
        click.echo(f"deploy/{name} is not what the code makes: run `make docs`, or delete it", err=True)
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
