"""The rules: one aggregate per file, with its commands, events, state, `decide` and `evolve`.

Pure: no database, no terminal, no clock. May import `values` and `errors`.
"""
