"""`python -m flows` is `tributary`."""

from flows.cli import app

app()
