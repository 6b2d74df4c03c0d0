"""``python -m dopantfit``: the command line."""

from dopantfit.cli import main

if __name__ == "__main__":
    main()
