"""How results, messages and progress are printed."""
