"""The maximum wait for a lock, as an option of an engine and its connections."""

from sqlalchemy import Connection, Engine

LOCK_TIMEOUT = "catactl_lock_timeout_seconds"


def lock_timeout_seconds(engine: Engine | Connection) -> float:
    """Return how long the engine's writes wait for a lock."""
    seconds: float = engine.get_execution_options()[LOCK_TIMEOUT]
    return seconds
