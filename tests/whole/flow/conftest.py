"""One flow for all tests: its database is made once."""

import pytest

from tests.support.actual import Flow


@pytest.fixture(scope="session")
def flow() -> Flow:
    return Flow()
