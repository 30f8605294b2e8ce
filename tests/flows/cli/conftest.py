"""The API that commands talk to."""

from tests.connectors.api.conftest import registered, served

__all__ = ["registered", "served"]
