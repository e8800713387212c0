"""`catactl doctor`: examinations of settings, files, databases, logs and content, one a function.

An examination yields findings and changes nothing. May import all packages except `cli`.
"""
