"""New ids: UUIDs of version 7 (RFC 9562), so that rows made one after the other lie together."""

import os
from datetime import datetime
from uuid import UUID, uuid5

# Under this name space an idempotency key gives the id of the organization it creates.
_CREATED_BY_KEY = UUID("0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10")
_MASK = ~((0xF << 76) | (0x3 << 62))
_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)


def new_id(now: datetime) -> UUID:
    """Return a new id: 48 bits of milliseconds since 1970, 74 random bits."""
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    number = milliseconds << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=number & _MASK | _VERSION_AND_VARIANT)


def id_for_key(key: str) -> UUID:
    """Return the id that every run of one request under an idempotency key creates with."""
    return uuid5(_CREATED_BY_KEY, key)
