"""`python -m usertesting_source` is the command `usertesting`."""

from usertesting_source.cli.main import run

if __name__ == "__main__":
    run()
