"""dlt's state of a resource, of a version that this package reads."""

from __future__ import annotations

from typing import Any

import dlt

from ..errors import StateError

STATE_VERSION = 1


def resource_state(name: str) -> dict[str, Any]:
    """
    The state that dlt keeps of one resource; to be changed in place.

    Raises:
        StateError: see `versioned`.

    """
    return versioned(dlt.current.resource_state(name))


def versioned(state: dict[str, Any]) -> dict[str, Any]:
    """
    `state`, marked with the version that writes it.

    Raises:
        StateError: another version of this package wrote it.

    """
    version = state.setdefault("version", STATE_VERSION)
    if version != STATE_VERSION:
        raise StateError(
            f"The pipeline's state is of version {version}, this package reads version {STATE_VERSION}. Install the"
            " usertesting-source that wrote it, or use another pipeline name and dataset to load everything anew."
        )
    state.setdefault("tests", {})
    return state
