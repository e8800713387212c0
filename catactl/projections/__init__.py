"""Tables derived from events, one per file. May import `store` and `domain`."""
