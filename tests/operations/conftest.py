"""Organizations for batches."""

import pytest

from catactl.handling.handler import Handler
from tests.operations.support import apply_lines, errors_of, line


@pytest.fixture
def two(handler: Handler) -> Handler:
    """Return a handler on a database with two organizations, `a` and `b`."""
    assert not errors_of(apply_lines(handler, [line("org.create", name=name) for name in "ab"]))
    return handler
