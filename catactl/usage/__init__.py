"""Storage usage: its check and correction, history, report, growth, explanation and exports.

May import `queries`, `handling`, `wiring`, `projections`, `sagas`, `store` and `domain`.
"""
