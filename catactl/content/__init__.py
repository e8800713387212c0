"""Files with their content: from a disk into the blob store and the log, back again, and proved."""
