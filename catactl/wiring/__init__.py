"""Tables of commands, their events, and the sagas and projections that follow, and their output.

May import `projections`, `sagas`, `store` and `domain`.
"""
