"""Tests of broken connections, killed servers, standbys and unusual settings."""
