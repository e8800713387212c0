"""The tables and what is stored in them: events, states, users, idempotency keys, migrations.

May import `domain` and `values`. Only `store.sql` knows dialects and drivers.
"""
