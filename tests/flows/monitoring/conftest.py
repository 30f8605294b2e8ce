"""What unit tests of metrics share: their process has one registry, whoever ran before."""

import pytest

from connectors import metrics


@pytest.fixture
def no_epoch_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the metrics those of a process in which no epoch has ended yet."""
    monkeypatch.setattr(metrics, "_heartbeat", None)
    monkeypatch.setattr(metrics, "_epoch_heartbeat", None)
