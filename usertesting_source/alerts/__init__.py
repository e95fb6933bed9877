"""
Alerts: tell Slack or Jira what went wrong in new sessions, each thing once.

    import dlt
    from usertesting_source.alerts.config import read_settings
    from usertesting_source.alerts.ledger import PIPELINE
    from usertesting_source.alerts.tell import tell
    from usertesting_source.warehouse.connection import Warehouse

    settings = read_settings()
    warehouse = Warehouse(dlt.pipeline(PIPELINE, destination="duckdb", dataset_name="usertesting"))
    for channel in settings.channels:
        tell(warehouse, settings.rules, channel)
"""
