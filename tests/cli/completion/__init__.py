"""Tests of the completion of command lines."""
