"""The topics of `catactl help TOPIC`: one Markdown file each, and the functions that read them.
Imports only the standard library.
"""
