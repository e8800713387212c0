"""Connections, statements, column types and errors of both databases.

Only this package uses drivers. May import `errors` and `store.reserve`.
"""
