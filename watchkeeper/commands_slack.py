"""`watchkeeper slack`: what it takes to have the bot in Slack."""

import json

import click


@click.group()
def slack() -> None:
    """Set the bot up in Slack."""


@slack.command()
@click.option(
    "--request-url",
    default="",
    help="Where Slack is to call us, such as https://watch.example/slack/events; Socket Mode when left out.",
)
def manifest(request_url: str) -> None:
    """Print the app's manifest, to be pasted where Slack asks for one."""
    from bot.slack_app.manifest import make_manifest

    click.echo(json.dumps(make_manifest(request_url=request_url), indent=2))
