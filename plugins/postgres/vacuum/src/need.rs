//! Which tables need it: autovacuum's own formula, with each table's own options, and the age of their rows.

use hostler_sdk::prelude::*;
use hostler_sdk::{listed, quote_qualified};

use crate::Settings;

/// When a table is due: a base, and a share of its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    pub vacuum_base: f64,
    pub vacuum_scale: f64,
    /// From PostgreSQL 18 on, the most dead rows a table may have, however large it is; negative for no such limit.
    pub vacuum_most: Option<f64>,
    /// Negative where inserts do not count.
    pub insert_base: f64,
    pub insert_scale: f64,
    pub analyze_base: f64,
    pub analyze_scale: f64,
    pub freeze_age: f64,
    pub multixact_age: f64,
}

/// The server's limits, and how large a page is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Server {
    pub limits: Limits,
    pub block_size: u64,
}

impl Server {
    pub fn read(row: &Row) -> Result<Self, TaskError> {
        if !row.get::<bool>("counts")? {
            return Err(TaskError::new(
                "the server counts no dead rows (track_counts is off), so no table can be chosen",
            )
            .remedy("ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();"));
        }
        let limits = Limits {
            vacuum_base: row.get("vacuum_base")?,
            vacuum_scale: row.get("vacuum_scale")?,
            vacuum_most: row.get("vacuum_most")?,
            insert_base: row.get::<Option<f64>>("insert_base")?.unwrap_or(-1.0),
            insert_scale: row.get::<Option<f64>>("insert_scale")?.unwrap_or_default(),
            analyze_base: row.get("analyze_base")?,
            analyze_scale: row.get("analyze_scale")?,
            freeze_age: row.get("freeze_age")?,
            multixact_age: row.get("multixact_age")?,
        };
        Ok(Self { limits, block_size: row.get("block_size")? })
    }
}

/// A table as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub oid: i64,
    pub schema: String,
    pub name: String,
    pub owner: String,
    /// Whoever is made a member of such an owner can do everything.
    pub owned_by_superuser: bool,
    pub tuples: f64,
    /// It was never vacuumed nor analysed, from PostgreSQL 14 on, where the catalogue tells that from a table without
    /// rows: so after a restore or an upgrade. The planner then knows nothing of it, and nothing was counted.
    pub unknown: bool,
    pub pages: u64,
    pub frozen: Option<f64>,
    pub dead: f64,
    pub inserted: f64,
    pub modified: f64,
    pub age: f64,
    pub multixact_age: f64,
    /// The table's own, in place of the server's.
    pub options: [Option<f64>; 9],
    /// Somebody works on it.
    pub busy: bool,
    pub permitted: bool,
}

impl Candidate {
    pub fn read(row: &Row) -> Result<Self, TaskError> {
        let names = [
            "vacuum_base",
            "vacuum_scale",
            "vacuum_most",
            "insert_base",
            "insert_scale",
            "analyze_base",
            "analyze_scale",
            "freeze_age",
            "multixact_freeze_age",
        ];
        let mut options = [None; 9];
        for (option, name) in options.iter_mut().zip(names) {
            *option = row.get(name)?;
        }
        Ok(Self {
            oid: row.get("oid")?,
            schema: row.get("schema")?,
            name: row.get("name")?,
            owner: row.get("owner")?,
            owned_by_superuser: row.get::<Option<bool>>("owned_by_superuser")?.unwrap_or_default(),
            tuples: row.get::<f64>("tuples")?.max(0.0),
            unknown: row.get::<f64>("tuples")? < 0.0,
            pages: row.get("pages")?,
            frozen: row.get("frozen")?,
            dead: row.get("dead")?,
            inserted: row.get("inserted")?,
            modified: row.get("modified")?,
            age: row.get("age")?,
            multixact_age: row.get("multixact_age")?,
            options,
            busy: row.get("busy")?,
            permitted: row.get("permitted")?,
        })
    }

    /// `schema.table`, for people.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn limits(&self, server: &Limits) -> Limits {
        let [
            vacuum_base,
            vacuum_scale,
            vacuum_most,
            insert_base,
            insert_scale,
            analyze_base,
            analyze_scale,
            freeze,
            multixact,
        ] = self.options;
        Limits {
            vacuum_base: vacuum_base.unwrap_or(server.vacuum_base),
            vacuum_scale: vacuum_scale.unwrap_or(server.vacuum_scale),
            vacuum_most: vacuum_most.or(server.vacuum_most),
            insert_base: insert_base.unwrap_or(server.insert_base),
            insert_scale: insert_scale.unwrap_or(server.insert_scale),
            analyze_base: analyze_base.unwrap_or(server.analyze_base),
            analyze_scale: analyze_scale.unwrap_or(server.analyze_scale),
            // A table's own age can only be lower than the server's.
            freeze_age: freeze.unwrap_or(server.freeze_age).min(server.freeze_age),
            multixact_age: multixact.unwrap_or(server.multixact_age).min(server.multixact_age),
        }
    }

    /// How near its rows are to the age at which autovacuum freezes them by force.
    pub fn freeze_share(&self, server: &Server) -> Percent {
        let limits = self.limits(&server.limits);
        Percent((self.age / limits.freeze_age).max(self.multixact_age / limits.multixact_age) * 100.0)
    }
}

/// What is to be done with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Analyze,
    Vacuum,
    Freeze,
}

/// A table that needs it, how much, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    pub candidate: Candidate,
    pub kind: Kind,
    /// How many times over its limit.
    pub urgency: f64,
    pub reason: String,
    /// How many workers vacuum its indexes, where the operator says.
    pub parallel: Option<u32>,
}

/// A table of so many bytes is watched while it is vacuumed.
const WATCHED: u64 = 64 << 20;

impl Work {
    pub fn statement(&self) -> String {
        let table = quote_qualified(&self.candidate.schema, &self.candidate.name);
        let parallel = self.parallel.map(|workers| format!(", PARALLEL {workers}")).unwrap_or_default();
        match self.kind {
            Kind::Freeze => format!("VACUUM (FREEZE, ANALYZE, SKIP_LOCKED{parallel}) {table}"),
            Kind::Vacuum => format!("VACUUM (ANALYZE, SKIP_LOCKED{parallel}) {table}"),
            Kind::Analyze => format!("ANALYZE (SKIP_LOCKED) {table}"),
        }
    }

    /// The step of the plan.
    pub fn title(&self) -> String {
        let verb = if self.kind == Kind::Analyze { "analyse" } else { "vacuum" };
        format!("{verb} {}", self.candidate.full_name())
    }

    /// Whether it takes so long that somebody wants to know how far it is.
    pub fn is_watched(&self, block_size: u64) -> bool {
        self.kind != Kind::Analyze && self.candidate.pages * block_size >= WATCHED
    }

    /// Whether it is of use while an old transaction keeps dead rows where they are.
    pub fn goes_on_when_held(&self) -> bool {
        self.kind != Kind::Vacuum
    }
}

/// What a table needs, where it needs anything.
pub fn of(candidate: &Candidate, server: &Server, settings: &Settings) -> Option<Work> {
    let limits = candidate.limits(&server.limits);
    let mut needs: Vec<(Kind, f64, String)> = Vec::new();
    let share = candidate.freeze_share(server);
    if share >= settings.freeze_warning {
        needs.push((Kind::Freeze, share.0 / 100.0, format!("its age is at {share} of what forces a freeze")));
    }
    let most = limits.vacuum_most.filter(|most| *most >= 0.0).unwrap_or(f64::INFINITY);
    let dead = (limits.vacuum_base + limits.vacuum_scale * candidate.tuples).min(most);
    if candidate.dead > dead {
        needs.push((
            Kind::Vacuum,
            candidate.dead / dead.max(1.0),
            format!("{}, due above {dead:.0}", counted(candidate.dead, "dead row")),
        ));
    }
    let unfrozen = 1.0 - candidate.frozen.unwrap_or_default().clamp(0.0, 1.0);
    let inserted = limits.insert_base + limits.insert_scale * candidate.tuples * unfrozen;
    if limits.insert_base >= 0.0 && candidate.inserted > inserted {
        let reason = format!("{} inserted since, due above {inserted:.0}", counted(candidate.inserted, "row"));
        needs.push((Kind::Vacuum, candidate.inserted / inserted.max(1.0), reason));
    }
    let modified = limits.analyze_base + limits.analyze_scale * candidate.tuples;
    if candidate.modified > modified {
        let rows = counted(candidate.modified, "row");
        let reason = format!("{rows} changed since its statistics, due above {modified:.0}");
        needs.push((Kind::Analyze, candidate.modified / modified.max(1.0), reason));
    }
    if candidate.unknown {
        needs.push((Kind::Analyze, 1.0, "it was never analysed, so the planner knows nothing of it".into()));
    }
    let kind = needs.iter().map(|(kind, ..)| *kind).max()?;
    let urgency = needs.iter().filter(|need| need.0 == kind).map(|need| need.1).fold(0.0, f64::max);
    let reason = needs.into_iter().map(|(_, _, reason)| reason).collect::<Vec<_>>().join("; ");
    Some(Work { candidate: candidate.clone(), kind, urgency, reason, parallel: settings.parallel })
}

/// The tables that need it, those that need it most first.
pub fn choose(candidates: &[Candidate], server: &Server, settings: &Settings) -> Vec<Work> {
    let wanted = candidates.iter().filter(|candidate| !settings.exclude.contains(&candidate.full_name()));
    let mut work: Vec<Work> = wanted.filter_map(|candidate| of(candidate, server, settings)).collect();
    work.sort_by(|left, right| right.kind.cmp(&left.kind).then(right.urgency.total_cmp(&left.urgency)));
    work
}

/// Tables that need it and that the role may not vacuum, by owner.
pub fn report_not_permitted(work: &[Work], role: &str, version: u32) {
    let not: Vec<&Candidate> = work.iter().map(|work| &work.candidate).filter(|table| !table.permitted).collect();
    let mut owners: Vec<&str> = not.iter().map(|table| table.owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    for owner in owners {
        let tables: Vec<&&Candidate> = not.iter().filter(|table| table.owner == owner).collect();
        let names: Vec<String> = tables.iter().map(|table| table.full_name()).collect();
        let remedy = if version >= 170_000 {
            format!("GRANT pg_maintain TO {role};")
        } else if let Some(table) = tables.iter().find(|table| table.owned_by_superuser) {
            let table = quote_qualified(&table.schema, &table.name);
            format!(
                "ALTER TABLE {table} OWNER TO …; -- and so on: before PostgreSQL 17 only an owner may vacuum, and {owner} \
                 is a superuser, which no task should be"
            )
        } else {
            format!("GRANT {owner} TO {role}; -- before PostgreSQL 17 only an owner may vacuum")
        };
        finding!(
            Severity::Unknown,
            "privilege-missing",
            owner,
            "the role {role} may not vacuum {} of {owner} that {} it: {}",
            counted(names.len(), "table"),
            agreed(names.len(), "needs", "need"),
            listed(&names, 10)
        )
        .remedy(remedy)
        .report();
    }
}

/// Tables whose rows are near the age at which autovacuum freezes them by force.
pub fn report_ages(candidates: &[Candidate], server: &Server, settings: &Settings) {
    let mut most = 0.0_f64;
    for table in candidates {
        let share = table.freeze_share(server);
        most = most.max(share.0);
        let (severity, limit) = match share {
            share if share >= settings.freeze_critical => (Severity::Critical, settings.freeze_critical),
            share if share >= settings.freeze_warning => (Severity::Warning, settings.freeze_warning),
            _ => continue,
        };
        let word = if severity == Severity::Critical { "critical" } else { "warning" };
        finding!(
            severity,
            "freeze-age",
            table.full_name(),
            "its oldest row is at {share} of the age that forces a freeze, {word} from {limit} on"
        )
        .detail(format!("{} transactions and {} multixacts old", table.age, table.multixact_age))
        .remedy(format!("VACUUM (FREEZE, VERBOSE) {};", quote_qualified(&table.schema, &table.name)))
        .report();
    }
    Metric::gauge("postgres_freeze_age_percent", most)
        .ranges(&Range::above(settings.freeze_warning.0), &Range::above(settings.freeze_critical.0))
        .report();
}
