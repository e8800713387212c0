"""Tests of engines, types and statements on both databases."""
