"""New ids: UUIDs of version 7 (RFC 9562), so that rows made one after the other lie together."""

import os
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid5

# Under this name space an idempotency key gives the id of the organization it creates.
_CREATED_BY_KEY = UUID("0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10")
_RANDOM_BYTES = 10
_RANDOM_BITS = 0xFFF << 64 | 2**62 - 1
_AT_ONCE = 16
_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)


class Id(UUID):
    """A UUID that is put into words once: an event's ids are written and hashed many times."""

    __slots__ = ("_text",)
    _text: str

    @classmethod
    def of(cls, id_: UUID) -> "Id":
        return cls(int=id_.int)

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            text = super().__str__()
            object.__setattr__(self, "_text", text)
            return text


def new_id(now: datetime) -> UUID:
    """Return a new id: 48 bits of milliseconds since 1970, 74 random bits."""
    return next(new_ids(now))


def new_ids(now: datetime) -> Iterator[UUID]:
    """Yield new ids of one moment, without end."""
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    fixed = milliseconds << 80 | _VERSION_AND_VARIANT
    while True:
        random = os.urandom(_RANDOM_BYTES * _AT_ONCE)
        for first in range(0, len(random), _RANDOM_BYTES):
            number = int.from_bytes(random[first : first + _RANDOM_BYTES])
            yield Id(int=fixed | number & _RANDOM_BITS)


def id_for_key(key: str) -> UUID:
    """Return the id that every run of one request under an idempotency key creates with."""
    return uuid5(_CREATED_BY_KEY, key)
