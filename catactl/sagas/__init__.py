"""Pure reactions: the commands that an event leads to. May import `domain`."""
