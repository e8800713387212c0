"""Commands. The path of a module is the command line: `part record` is `part/record.py`.

A module whose name begins with an underscore is shared by several commands.
"""
