"""Tests of the handler and its parts: transactions, keys, names, states in memory and races."""
