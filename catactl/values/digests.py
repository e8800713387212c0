"""Check digests: SHA-256 as 64 lower-case hexadecimal digits."""

import re

from catactl.errors import InvalidValue

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_sha256(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def check_sha256(text: str) -> str:
    """Return the digest; raise `InvalidValue`."""
    if not is_sha256(text):
        raise InvalidValue(
            "sha256 is not 64 lower-case hexadecimal digits", "use the output of sha256sum"
        )
    return text
