"""What a rule of one's own works with: `from usertesting_source.signals import Finding, Session`."""

from __future__ import annotations

from .alerts.signals import Finding, Session

__all__ = ["Finding", "Session"]
