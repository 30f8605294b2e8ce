"""`python -m flows` is `tributary`."""

from flows.cli import main

main()
