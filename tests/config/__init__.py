"""Tests of settings and of the configuration file."""
