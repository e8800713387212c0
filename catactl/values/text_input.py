"""Decode text from files and standard input: UTF-8, with or without a byte order mark."""

import codecs

from catactl.errors import InvalidValue

# The marks of UTF-32 come first, because one of them begins with a mark of UTF-16.
_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def without_mark(subject: str, data: bytes) -> bytes:
    """Return the beginning of a text without its byte order mark; raise `InvalidValue` if the mark
    belongs to another encoding.
    """
    for mark, encoding in _OTHER_MARKS:
        if data.startswith(mark):
            raise InvalidValue(f"{subject} is encoded in {encoding}", "save it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def decode(subject: str, data: bytes) -> str:
    """Return the decoded text; raise `InvalidValue`, with the line, if it is not UTF-8."""
    data = without_mark(subject, data)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidValue(
            f"{subject} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}",
            "save it as UTF-8",
        ) from None
