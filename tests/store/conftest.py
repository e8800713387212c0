"""Fixtures for tests of the store."""

from uuid import UUID

import pytest

from catactl.handling.handler import Handler
from tests.support import create_file, create_organization, upload


@pytest.fixture
def org_id(handler: Handler) -> UUID:
    """Return an organization with eight events: its creation and quota, a file and two parts, each
    with a change of usage.
    """
    org_id = create_organization(handler, quota_bytes=1_000)
    file_id = create_file(handler, org_id)
    upload(handler, org_id, file_id, 1, 10)
    upload(handler, org_id, file_id, 2, 20)
    return org_id
