"""
Dagster: the tables of UserTesting sessions, the issues and the runs, and the views, as assets; every 15 minutes.

    dagster dev -f usertesting_dagster.py        # needs dagster, dagster-webserver and dagster-dlt

Settings and secrets are dlt's: `.dlt/` of the working folder, or the environment (SOURCES__USERTESTING__TEST_IDS, ...).
Their pool `usertesting` has one slot: `dagster instance concurrency set usertesting 1`.
"""

import os

import dagster as dg
import dlt
from dagster_dlt import build_dlt_asset_specs

from usertesting_source import load, usertesting_source
from usertesting_source.warehouse.views.definitions import views

DESTINATION = os.environ.get("USERTESTING_DESTINATION", "postgres")
DATASET = os.environ.get("USERTESTING_DATASET", "usertesting")
MAX_MINUTES = 50.0

source = usertesting_source()  # sends nothing
pipeline = dlt.pipeline("usertesting", destination=DESTINATION, dataset_name=DATASET)

# what @dlt_assets makes of the source, and beside it what `load` adds: all of them come with each load
tables = dict(zip(source.selected_resources, build_dlt_asset_specs(source, pipeline), strict=True))
tables |= {name: dg.AssetSpec(["usertesting", name]) for name in ("load_issues", "load_runs")}
all_views = {
    name: dg.AssetSpec(
        ["usertesting", name], description=view.grain, deps=[tables[t].key for t in view.needs if t in tables]
    )
    for name, view in views().items()
    if any(table.split("__")[0] in tables for table in view.needs)
}
specs = {
    name: spec.replace_attributes(
        skippable=True, group_name="usertesting", kinds={"dlt"} if name in tables else {"sql"}
    )
    for name, spec in (tables | all_views).items()
}


@dg.multi_asset(specs=list(specs.values()), pool="usertesting", can_subset=False)
def usertesting(context: dg.AssetExecutionContext):
    """What is new, in at most `MAX_MINUTES`; the next run goes on with what is left."""
    summary = load(pipeline, source, max_minutes=MAX_MINUTES, if_running="skip")
    if summary.skipped:
        context.log.info("Another run loads the same: nothing to do.")
        return
    summary.raise_for_status(unfinished_ok=True)
    context.log.info("%s: %s", summary.outcome, summary.as_dict())
    if summary.left:
        context.log.info("%s requests left to the next run; what waits for the views waits for that.", summary.left)
    for name, spec in specs.items():
        if not (summary.left and name in all_views):
            yield dg.MaterializeResult(spec.key, metadata={"rows_loaded": summary.rows[name]})


job = dg.define_asset_job("usertesting_load", selection=dg.AssetSelection.assets(usertesting))

defs = dg.Definitions(
    assets=[usertesting],
    jobs=[job],
    schedules=[dg.ScheduleDefinition(job=job, cron_schedule="*/15 * * * *")],
)
