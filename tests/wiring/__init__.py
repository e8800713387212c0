"""Tests of the table that connects events, sagas, commands and projections."""
