"""Views: what the events add up to, for reading. Each is applied inline and can be rebuilt."""
