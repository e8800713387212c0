"""Tests of the topics of `catactl help`."""
