"""The write commands by their names, as one command does them and as the lines of a batch do."""
