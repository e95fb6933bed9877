"""Where this package keeps what all runs of a user on a machine share: the quota, and who is running."""

from __future__ import annotations

import os
from getpass import getuser
from pathlib import Path
from tempfile import gettempdir


def user_folder() -> Path:
    """
    A folder of the user's own, the same for all projects and runs.

    `$XDG_STATE_HOME/usertesting`, by default `~/.local/state/usertesting`; where there is no home that can be written
    to, a folder for the user beside other temporary files. Not dlt's folder: schedulers give each run one of its own.
    """
    try:
        state = Path(os.environ.get("XDG_STATE_HOME", ""))
        folder = (state if state.is_absolute() else Path.home() / ".local" / "state") / "usertesting"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # there is no home
        pass
    return Path(gettempdir()) / f"usertesting-{os.getuid() if hasattr(os, 'getuid') else getuser()}"
