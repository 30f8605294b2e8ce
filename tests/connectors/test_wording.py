"""Words that sentences for an operator share."""

import pytest

from connectors.wording import counted


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 bytes"), (1, "1 byte"), (2, "2 bytes"), (8_000, "8,000 bytes")]
)
def test_a_number_with_its_noun(count: int, said: str) -> None:
    assert counted(count, "byte") == said
