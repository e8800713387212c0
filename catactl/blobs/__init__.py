"""The content of parts, by organization and digest: where it lies, and nothing about the log."""
