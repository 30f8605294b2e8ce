"""`python -m flows` is `tributary`."""

from flows.cli.app import main

main()
