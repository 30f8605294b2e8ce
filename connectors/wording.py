"""Words that sentences for an operator share."""


def counted(count: int, noun: str) -> str:
    """Write a number with its noun: 1 line, 2,000 lines."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
