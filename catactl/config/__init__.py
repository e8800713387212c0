"""Settings from flags, environment and configuration file, their validation, and the masking of
secrets. May import blob stores and database URLs, which check the values.
"""
