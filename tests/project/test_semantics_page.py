"""The page of rules must name every word that the rules are made of."""

from pathlib import Path

import pytest

from attribution.policy import Policy
from attribution.vocabulary import KINDS, MODELS, OBSERVED_EVENT_TYPES, Outcome, Reason

PAGE = (Path(__file__).parents[2] / "docs/semantics.md").read_text(encoding="utf-8")
SETTINGS = sorted(set(Policy.model_fields) - {"windows"})
WORDS = [*KINDS, *MODELS, *sorted(OBSERVED_EVENT_TYPES), *Outcome, *Reason, *SETTINGS]


@pytest.mark.parametrize("word", WORDS)
def test_word_is_explained(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_windows_per_event_type_are_shown() -> None:
    assert "`[policy.windows.<event type>]`" in PAGE
