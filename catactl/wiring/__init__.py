"""Which command leads to which events, sagas and projections, as tables; and printing them."""
