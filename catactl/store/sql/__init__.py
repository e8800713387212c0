"""The only package that knows SQL dialects and database drivers."""
