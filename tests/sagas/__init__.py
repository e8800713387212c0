"""Tests of the reactions to events."""
