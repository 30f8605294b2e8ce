"""`python -m flows` runs `tributary`."""

from flows.cli.app import main

# A worker of the API imports this module under another name.
if __name__ == "__main__":
    main()
