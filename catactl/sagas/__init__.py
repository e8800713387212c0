"""Reactions: pure functions from an event to the commands that follow. May import `domain`."""
