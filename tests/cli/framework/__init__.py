"""Tests of all commands: options, help, errors and names in the past."""
