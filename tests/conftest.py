"""What holds for every test: no setting leaks in, and generated examples may take their time."""

import gc
import os
from collections.abc import Iterator

import hypothesis
import pytest

# A deadline measures the machine, not the code; the blob reproduces a failure seen elsewhere.
hypothesis.settings.register_profile("tributary", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tributary")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TRIBUTARY_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _garbage_is_collected() -> Iterator[None]:
    """Collect what tests leave behind: a replay in this process sees to it that it piles up."""
    usual = gc.get_threshold()
    yield
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.set_threshold(*usual)
        gc.collect()
