//! How far the databases are from running out of transaction ids.

use hostler_sdk::prelude::*;

use crate::Settings;

pub const DATABASES: &str = "
    SELECT datname::text AS name, age(datfrozenxid)::float8 AS age, mxid_age(datminmxid)::float8 AS multixact_age
    FROM pg_database WHERE datallowconn";

/// How far each database is from running out of transaction ids.
pub fn report_ages(rows: &Rows, settings: &Settings) -> Result<(), TaskError> {
    for row in rows.iter() {
        let name: &str = row.get("name")?;
        for (metric, what, age) in [
            ("postgres_database_age_transactions", "transactions", row.get::<f64>("age")?),
            ("postgres_database_age_multixacts", "multixacts", row.get("multixact_age")?),
        ] {
            let finding = finding!(Severity::Ok, "database-age", name, "the oldest row is {age} {what} old")
                .detail(
                    "At about 2.1 billion the server stops taking writes. Autovacuum does not get to it: look for what \
                     holds it back, and for a table that it cannot finish.",
                )
                .remedy(format!("vacuumdb --freeze --jobs=4 {}", hostler_sdk::quote_identifier(name)));
            let metric = Metric::gauge(metric, age).label("database", name);
            metric.judge(&settings.age_warning, &settings.age_critical, finding);
        }
    }
    Ok(())
}
