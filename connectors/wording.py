"""Parts of sentences written for an operator."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 row`, `1,000 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def shown(name: str) -> str:
    """Return a name in a form that stays on one line and can be encoded."""
    return name if name.isprintable() else ascii(name)[1:-1]
