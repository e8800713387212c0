"""How a command is declared, run, described and ended."""
