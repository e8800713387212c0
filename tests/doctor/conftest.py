"""A sound machine for every examination."""

from pathlib import Path

import pytest

from catactl.doctor import machine
from tests.doctor.support import GIB, set_free_space


@pytest.fixture(autouse=True)
def sound_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the machine has free disk space and no network file system."""
    monkeypatch.setattr(machine, "MOUNTS", tmp_path / "mounts")
    set_free_space(monkeypatch, 50 * GIB)
