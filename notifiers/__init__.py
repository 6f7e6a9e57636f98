"""Notifiers: the ways to reach people, one file a channel."""
