"""Text in the encodings that editors write."""

import codecs

import pytest

from catactl.errors import InvalidValue
from catactl.values.text_input import decode


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_byte_order_mark_is_not_part_of_a_text(mark: bytes) -> None:
    assert decode("it", mark + "ü\r\n\ufeff".encode()) == "ü\r\n\ufeff"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (codecs.BOM_UTF16_LE + "a".encode("utf-16-le"), "encoded in UTF-16"),
        (codecs.BOM_UTF16_BE + "a".encode("utf-16-be"), "encoded in UTF-16"),
        (codecs.BOM_UTF32_LE + "a".encode("utf-32-le"), "encoded in UTF-32"),
        (codecs.BOM_UTF32_BE + "a".encode("utf-32-be"), "encoded in UTF-32"),
        (b"a\nb\xfc\n", "not UTF-8: byte 0xfc in line 2"),
    ],
)
def test_another_encoding_is_refused_with_its_name(data: bytes, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as raised:
        decode("it", data)
    assert raised.value.hint == "save it as UTF-8"
