"""Reads of the present, from stored rows, and of the past, from events.

May import `results`, `handling` and the packages below them.
"""
