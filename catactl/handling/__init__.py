"""One command from the lock of its organization's log to the commit."""
