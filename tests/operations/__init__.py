"""Tests of operations, and of batches of them."""
