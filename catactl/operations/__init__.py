"""Writes, one typed function each, and the registry in which `apply` finds them.

May import `usage`, `queries`, `results`, `handling` and the packages below them.
"""
