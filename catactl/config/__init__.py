"""Settings from flags, environment and file, their validation, and the masking of secrets."""
