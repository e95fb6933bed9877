"""Tells Slack or Jira what went wrong in new UserTesting sessions: python pipelines/alert.py --help"""

from usertesting_source.cli.alert import main

if __name__ == "__main__":
    main()
