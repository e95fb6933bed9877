"""Loads UserTesting sessions into a warehouse: python pipelines/load.py --help"""

from usertesting_source.cli.load import main

if __name__ == "__main__":
    main()
