"""Tables derived from events, one a file. May import `store` and `domain`."""
