"""
Alerts: tell Slack or Jira what went wrong in new sessions, each thing once.

    settings = read_settings()
    warehouse = Warehouse(dlt.pipeline("usertesting_alerts", destination="duckdb", dataset_name="usertesting"))
    for channel in settings.channels:
        tell(warehouse, settings.rules, channel)
"""

from __future__ import annotations

from ..warehouse.connection import Warehouse
from .config import AlertSettings, read_settings
from .ledger import PIPELINE
from .lock import alone
from .tell import Report, tell

__all__ = ["PIPELINE", "AlertSettings", "Report", "Warehouse", "alone", "read_settings", "tell"]
