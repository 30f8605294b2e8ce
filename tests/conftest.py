"""What holds for every test: no setting leaks in, and generated examples may take their time."""

import os

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
