"""Tests of the output: tables, formats, and messages on stderr."""
