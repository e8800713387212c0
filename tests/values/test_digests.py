"""SHA-256 digests."""

import pytest

from catactl.errors import InvalidValue
from catactl.values.digests import check_sha256, is_sha256

_DIGEST = "0123456789abcdef" * 4


def test_a_digest_is_returned_unchanged() -> None:
    assert check_sha256(_DIGEST) == _DIGEST
    assert is_sha256(_DIGEST)


@pytest.mark.parametrize(
    "text",
    ["", _DIGEST[1:], f"{_DIGEST}0", _DIGEST.upper(), f"{_DIGEST}\n", "g" * 64, "\u0661" * 64],
)
def test_a_malformed_digest_is_refused(text: str) -> None:
    assert not is_sha256(text)
    with pytest.raises(InvalidValue, match="64 lower-case hexadecimal digits"):
        check_sha256(text)
