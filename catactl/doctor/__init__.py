"""Examining what catactl works with. An examination yields what it saw, and changes nothing."""
