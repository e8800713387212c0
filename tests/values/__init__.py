"""Tests of the parsers of typed text."""
