"""The smallest Python plugin: counts the server's connections, against the same contract as a Rust plugin."""

import asyncio  # noqa: F401  (the generated code runs on its event loop)

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import postgres, report


class Task(exports.Task):
    async def run(self, mode):
        try:
            database = await postgres.Database.open("database", None, None)
            rows = await database.query(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'",
                [],
                postgres.Options([], None),
            )
            batches = []
            with rows.batches as stream:
                while not stream.writer_dropped:
                    batches.extend(await stream.read(16))
            await rows.completed.read()
        except Err as error:
            raise Err(f"the connections could not be counted: {error.value}") from error
        count = batches[0].columns[0].values.value[0]
        report.add_metric(
            report.Metric("connections", report.MetricKind.GAUGE, [], float(count), "", None, None)
        )
        return f"{count} connections"
