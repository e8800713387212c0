"""What touches the database. Functions take the connection first and neither open nor commit."""
