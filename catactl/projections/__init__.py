"""Tables derived from events, one a file."""
