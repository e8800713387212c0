"""What commands are given besides their own arguments."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The options every command takes, and after them those every write takes, as they were
    given.
    """

    database_url: str | None = None
    database_url_file: str | None = None
    blob_url: str | None = None
    profile: str | None = None
    output: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    log_format: str | None = None
    lock_timeout: float | None = None
    dry_run: bool = False
    idempotency_key: str | None = None
    actor: str | None = None
    reason: str | None = None
    expected_version: int | None = None
    yes: bool = False

    @property
    def flags(self) -> dict[str, str | None]:
        """The settings among them, as `load_settings` takes them."""
        output = self.output.removeprefix("=") if self.output is not None else None  # -o=json
        return {
            "database_url": self.database_url,
            "database_url_file": self.database_url_file,
            "blob_url": self.blob_url,
            "profile": self.profile,
            "output": "json" if self.json else output,
            "actor": self.actor,
            "lock_timeout": None if self.lock_timeout is None else str(self.lock_timeout),
            "log_format": self.log_format,
        }
