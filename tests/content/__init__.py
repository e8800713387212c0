"""Tests of content and its records: upload, download, verification, marks and sweeps."""
