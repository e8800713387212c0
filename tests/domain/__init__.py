"""Tests of the rules: given events, when a command arrives, then events or a refusal."""
