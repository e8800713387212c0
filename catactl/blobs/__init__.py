"""Stores of content: a local directory or an object store, addressed by organization and digest.

This package does not depend on the log or the database. It may import `values` and `errors`.
"""
