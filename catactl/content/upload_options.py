"""The options and the result of an upload of files."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from catactl.errors import CatactlError
from catactl.handling.intent import Intent
from catactl.results.files import FileUploaded
from catactl.store.idempotency import key_suffix


@dataclass(frozen=True)
class UploadOptions:
    """The options of an upload of files.

    `intent` holds the idempotency key of the command. If `is_key_shared` is true, the command has
    several files, and the key of each file is derived from it. `verify` reads stored content again
    and replaces damaged content.
    """

    intent: Intent
    is_key_shared: bool = False
    part_bytes: int | None = None
    workers: int = 1
    verify: bool = False

    def intent_for(self, name: str) -> Intent:
        """Return the intent for one file. Its request does not include the content yet."""
        key = self.intent.idempotency_key
        if key is None:
            return self.intent
        if self.is_key_shared:
            key += key_suffix(name)
        return replace(self.intent, idempotency_key=key, request=self.request(name=name))

    def request(self, **names: str) -> dict[str, object]:
        """Return the request under an idempotency key, without content. It does not include how the
        files are found, read and cut into parts.
        """
        request: dict[str, object] = {"command": "file.upload", **names}
        return request | {"verify": True} if self.verify else request


class UploadedFile(NamedTuple):
    """The result for one item: the result of its file (see `PendingFile`), or the error."""

    path: str
    name: str
    result: FileUploaded | None
    error: CatactlError | None
