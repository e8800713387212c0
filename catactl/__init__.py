"""catactl administers Catacloud: organizations, users, job configurations and multi-part files."""

__version__ = "0.1.0"
