"""Exact values from the text that people type: sizes, times, durations, schedules, names and ids.

May import `errors` alone.
"""
