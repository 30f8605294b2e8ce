"""`python -m flows` runs `tributary`."""

from flows.cli.app import main

main()
