"""Reads of stored rows, as they are and as they were at a time in the past."""
