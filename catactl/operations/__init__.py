"""The writes, one typed function each, and the registry by which `apply` finds them."""
