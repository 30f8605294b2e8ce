"""The API that the clients talk to."""

from tests.connectors.api.conftest import registered, served

__all__ = ["registered", "served"]
