"""Slack: the bot, on slack-bolt."""
