"""Commands. The path of a module is the command line: `part record` is `part/record.py`."""
