"""Settings and fixtures of all tests."""

from hypothesis import settings

pytest_plugins = (
    "tests.fixtures.compiled_statements",
    "tests.fixtures.databases",
    "tests.fixtures.buckets",
    "tests.fixtures.commands",
)

settings.register_profile("catactl", deadline=None, derandomize=True, database=None)
settings.load_profile("catactl")
