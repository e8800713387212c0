"""Text that people type and exact values: sizes, times, durations, schedules, names and ids.

May import `errors` alone.
"""
