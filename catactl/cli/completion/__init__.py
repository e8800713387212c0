"""Complete commands, options and stored names for the scripts that `catactl completion` prints.

These modules read the command tree and the database, and never write.
"""
