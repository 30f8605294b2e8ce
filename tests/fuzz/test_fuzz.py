"""The short form of the campaign; `python -m tests.fuzz` runs the long one."""

import random
from pathlib import Path

import pytest

from tests.fuzz.campaign import fuzz
from tests.fuzz.mutate import mutated


@pytest.mark.long
def test_mutated_lines_have_one_outcome_each(tmp_path: Path) -> None:
    findings = fuzz(tmp_path, 2, 3_000, lambda _: None)
    assert findings.is_clean, "\n".join(findings.shown)
    assert findings.lines == 3_000


def test_the_same_seed_gives_the_same_lines() -> None:
    sound = [b'{"a":1,"b":["x"]}'] * 50
    first, again = (mutated(random.Random(7), sound, sound) for _ in range(2))  # noqa: S311  reproducible, not secret
    assert first == again != sound
