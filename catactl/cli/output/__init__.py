"""Print results on stdout, and messages and progress on stderr. Only these modules know output
formats. They import results and the layers below, and the framework's `Context`.
"""
