"""The terminal: parses, calls what lies below, prints. One module a noun, one function a verb."""
