//! The work on one month.

use hostler_sdk::postgres::{Database, Isolation, Options, Parameter};
use hostler_sdk::prelude::*;
use shared_relations::partition::{Partition, Partitioned, microseconds};
use shared_relations::table::{Name, TableLook};

use crate::month::Month;
use crate::outcome::Outcome;
use crate::shape::Shape;
use crate::{Memory, Settings};

/// The run, as far as months need it.
pub struct Work {
    pub context: Context,
    pub database: Database,
    pub shape: Shape,
    pub settings: Settings,
    pub key: String,
    pub memory: Memory,
}

/// How the samples of a month and its rows agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    pub groups: i64,
    pub samples: i64,
    pub missing: i64,
    pub ahead: i64,
    pub different: i64,
}

impl Compared {
    pub fn read(row: &Row) -> Result<Self, TaskError> {
        Ok(Self {
            groups: row.get("groups")?,
            samples: row.get("samples")?,
            missing: row.get("missing")?,
            ahead: row.get("ahead")?,
            different: row.get("different")?,
        })
    }

    pub fn agree(&self) -> bool {
        self.missing == 0 && self.ahead == 0 && self.different == 0
    }
}

impl Work {
    fn options(&self) -> Options {
        let wait = format!("{}ms", self.settings.wait.as_milliseconds());
        Options {
            settings: vec![("lock_timeout".into(), wait)],
            timeout_ms: Some(self.settings.timeout.as_milliseconds()),
        }
    }

    /// A reading statement may take as long as one on a month.
    fn patient(&self) -> Options {
        Options { settings: vec![], timeout_ms: Some(self.settings.timeout.as_milliseconds()) }
    }

    /// The closed months that have samples, and those whose partitions were taken off, in order.
    pub async fn months(&self, now: Timestamp) -> Result<Vec<Month>, TaskError> {
        let this = Month::of(now).ok_or("the clock is not at a time of this calendar")?;
        let rows = self.database.query_with(&self.shape.months(this), &[], self.patient()).await?.rows().await?;
        let mut months = vec![];
        for row in rows.iter() {
            let text: String = row.get("month")?;
            months.push(Month::parse(&text).ok_or_else(|| TaskError::new(format!("{text} is no month")))?);
        }
        months.extend(self.memory.detached.keys().filter_map(|text| Month::parse(text)));
        months.retain(|month| month.ended(self.settings.grace, now));
        months.sort_unstable();
        months.dedup();
        Ok(months)
    }

    /// Months without samples need no memory.
    pub fn forget(&mut self, months: &[Month]) {
        self.memory.verified.retain(|text| months.iter().any(|month| month.to_string() == *text));
    }

    async fn remember(&self) -> Result<(), TaskError> {
        self.context.state().set(&self.key, &self.memory).await
    }

    pub fn is_overdue(&self, month: Month, now: Timestamp) -> bool {
        self.settings.delete && month.ended(self.settings.retention, now)
    }

    pub fn is_verified(&self, month: Month) -> bool {
        self.memory.verified.contains(&month.to_string())
    }

    /// One month: rolled up where it is not or may not be, and its samples deleted where they are past retention.
    pub async fn month(&mut self, month: Month, recent: bool, now: Timestamp) -> Result<Outcome, TaskError> {
        let (overdue, known) = (self.is_overdue(month, now), self.is_verified(month));
        let mut detached = self.still_there(month).await?;
        if detached.is_empty() && self.memory.detached.contains_key(&month.to_string()) && self.rows(month).await? == 0
        {
            // The run before dropped them, and ended before it could remember that.
            self.memory.detached.remove(&month.to_string());
            self.memory.verified.insert(month.to_string());
            self.remember().await?;
            return Ok(Outcome::Known);
        }
        if known && !recent && !overdue {
            return Ok(Outcome::Known);
        }
        if !overdue && (known || self.has_rows(month).await?) {
            let compared = self.compare(month, &detached).await?;
            if compared.ahead > 0 {
                self.memory.verified.remove(&month.to_string());
                self.remember().await?;
                return Ok(Outcome::Ahead(compared));
            }
            if compared.agree() {
                self.memory.verified.insert(month.to_string());
                self.remember().await?;
                return Ok(Outcome::Known);
            }
            self.memory.verified.remove(&month.to_string());
        }
        let rolls_up = !self.is_verified(month);
        let bound = match self.context.is_check() {
            true => self.rows(month).await?.saturating_mul(2).saturating_add(1),
            false => 0,
        };
        let _step = self.context.step(&title(month, rolls_up, overdue), 64, bound)?;
        if overdue && self.settings.remove == "partitions" {
            detached = self.detach(month, detached).await?;
        }
        self.transact(month, rolls_up, overdue, &detached).await
    }

    async fn transact(
        &mut self,
        month: Month,
        rolls_up: bool,
        overdue: bool,
        detached: &[Name],
    ) -> Result<Outcome, TaskError> {
        let checks = self.context.is_check();
        let transaction = self.database.begin_with(Isolation::RepeatableRead, self.options()).await?;
        let roll_up = self.shape.roll_up(month, detached);
        let mut rolled_up = rolls_up;
        if rolls_up {
            transaction.execute(&roll_up, &[]).await?;
        }
        let mut compared = Compared::default();
        if !checks {
            let sql = self.shape.compare(month, detached);
            compared = Compared::read(&transaction.query_with(&sql, &[], self.patient()).await?.one().await?)?;
            if !rolls_up && compared.ahead == 0 && !compared.agree() {
                // Samples that came after the month was found right.
                rolled_up = true;
                transaction.execute(&roll_up, &[]).await?;
                compared = Compared::read(&transaction.query_with(&sql, &[], self.patient()).await?.one().await?)?;
            }
        }
        if !compared.agree() {
            transaction.rollback().await?;
            return Ok(if compared.ahead > 0 { Outcome::Ahead(compared) } else { Outcome::Differs(compared) });
        }
        let mut deleted = 0;
        if overdue {
            for name in detached {
                transaction.execute(&format!("DROP TABLE {}", name.quoted()), &[]).await?;
            }
            if let hostler_sdk::postgres::Execution::Applied(done) =
                transaction.execute(&self.shape.delete(month), &[]).await?
            {
                deleted = done.row_count;
            }
        }
        transaction.commit().await?;
        if checks {
            return Ok(Outcome::Planned { rolls_up, deletes: overdue });
        }
        self.memory.detached.remove(&month.to_string());
        self.memory.verified.insert(month.to_string());
        self.remember().await?;
        let remains = overdue && detached.is_empty() && (deleted as i64) < compared.samples;
        Ok(Outcome::Done { compared, rolled_up, deleted, overdue, dropped: detached.len(), remains })
    }

    /// Takes off the partitions that lie whole in the month.
    async fn detach(&mut self, month: Month, mut names: Vec<Name>) -> Result<Vec<Name>, TaskError> {
        let source = TableLook::look(&self.database, "source", &self.shape.source).await?;
        if !source.partitioned {
            return Ok(names);
        }
        let partitioned = Partitioned::look(&self.database, source.oid).await?;
        let by_time = partitioned.key.as_ref().is_some_and(|(column, _)| *column == self.settings.time_column);
        let day = |month: Month| microseconds(&format!("{month}-01")).unwrap_or(i64::MAX);
        let lies =
            |partition: &&Partition| partition.plain && partition.bound.lies_within(day(month), day(month.next()));
        for partition in partitioned.partitions.iter().filter(|_| by_time).filter(lies) {
            let kept = self.memory.detached.entry(month.to_string()).or_default();
            let name = (partition.name.schema.clone(), partition.name.name.clone());
            if !kept.contains(&name) {
                kept.push(name);
                self.remember().await?;
            }
            let statement = partitioned.detach(&self.shape.source, partition);
            self.database.execute_with(&statement, &[], self.options()).await?;
            // In a plan it is still where it was, and its rows are among the others.
            if !names.contains(&partition.name) {
                names.push(partition.name.clone());
            }
        }
        Ok(names)
    }

    /// Of what was being taken off, what is off and not dropped yet.
    async fn still_there(&self, month: Month) -> Result<Vec<Name>, TaskError> {
        const OFF: &str = "
            SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind = 'r' AND NOT c.relispartition) AS off";
        let mut names = vec![];
        for name in self.memory.detached(month) {
            let parameters = [Parameter::from(name.schema.as_str()), Parameter::from(name.name.as_str())];
            if self.database.query(OFF, &parameters).await?.one().await?.get("off")? {
                names.push(name);
            }
        }
        Ok(names)
    }

    async fn has_rows(&self, month: Month) -> Result<bool, TaskError> {
        self.database.query_with(&self.shape.has_rows(month), &[], self.patient()).await?.one().await?.get("found")
    }

    async fn rows(&self, month: Month) -> Result<u64, TaskError> {
        self.database.query_with(&self.shape.count(month), &[], self.patient()).await?.one().await?.get("rows")
    }

    async fn compare(&self, month: Month, detached: &[Name]) -> Result<Compared, TaskError> {
        let sql = self.shape.compare(month, detached);
        Compared::read(&self.database.query_with(&sql, &[], self.patient()).await?.one().await?)
    }
}

pub fn title(month: Month, rolls_up: bool, deletes: bool) -> String {
    match (rolls_up, deletes) {
        (true, true) => format!("roll {month} up, check it, delete its samples"),
        (true, false) => format!("roll {month} up and check it"),
        _ => format!("check {month} and delete its samples"),
    }
}
