"""Tests of checks, corrections, history, reports and explanations of usage."""
