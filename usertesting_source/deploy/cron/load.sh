#!/bin/sh
# One load, with dates in its log. In `crontab -e`, with the folder in which this file is:
#
#   */5 * * * * /srv/usertesting/load.sh
#
# A run that finds another one active says so and ends well, so the interval need not fit the longest load.
cd "$(dirname "$0")" || exit 1
PATH="$PWD/.venv/bin:$PATH"
exec >> load.log 2>&1
echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) load"
usertesting load "$@"
code=$?
echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) exit code $code"
exit "$code"
