"""Tests of what is printed: tables, formats, and messages on stderr."""
