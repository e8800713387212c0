"""Tests of `file upload` and `part upload`."""
