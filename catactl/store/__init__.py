"""The tables, and functions that read and write them: the event log, states, users, idempotency
keys and migrations. May import `domain` and `values`. Only `store.sql` uses database drivers.
"""
