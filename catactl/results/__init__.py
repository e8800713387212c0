"""Results of commands: one type per resource. JSON, columns and schema follow from the type.

May import `handling` and the packages below it.
"""
