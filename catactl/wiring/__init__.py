"""Tables of commands, their events, and the sagas and projections that follow; printing them.

May import `projections`, `sagas`, `store` and `domain`.
"""
