"""Tests of single commands: their options, results, refusals and output."""
