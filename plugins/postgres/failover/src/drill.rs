//! The rehearsal: a standby is copied, the copy started, promoted and written to, and removed. It never touches
//! production, and that is no promise but a matter of what the calls can reach: the clone's configuration is written anew,
//! so that it knows no primary, no archive, no library and no network; and every program that changes it is given a path in
//! the directory of clones, the socket's too.
//!
//! The server is one program call that lasts as long as the rehearsal and not a daemon: it ends with the run, however the
//! run ends, and a directory is all that a killed run leaves. The next one removes it.

use std::pin::pin;

use futures::future::{Either, select};
use hostler_sdk::files::{self, Directory};
use hostler_sdk::postgres::Database;
use hostler_sdk::shell::{Completed, Outcome, Program};
use hostler_sdk::{Timestamp, prelude::*};
use serde::Serialize;

use crate::Settings;
use crate::ready::{Primary, Standby};

const LOOK: &str = "SELECT pg_is_in_recovery(), pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')";
const PROMOTE: &str = "SELECT pg_promote(true, 600)";
const WRITE: &str = "CREATE TABLE hostler_drill AS SELECT now() AS written; SELECT count(*) FROM hostler_drill";
/// How long is waited between two looks at a clone that does not answer yet.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// What a rehearsal measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub at: Timestamp,
    pub standby: String,
    pub clone_seconds: f64,
    pub promote_seconds: f64,
    pub takeover_seconds: f64,
    pub lost_bytes: f64,
}

/// Where the clone is, and who may write there.
struct Clone<'a> {
    directory: Directory,
    path: String,
    settings: &'a Settings,
}

/// Takes away what a killed run left.
pub async fn sweep(context: &Context) -> Result<(), TaskError> {
    let directory = context.directory("clones");
    let path = directory.path("drill");
    match files::metadata(&path).await {
        Err(error) if error.is("ENOENT") => Ok(()),
        Err(error) => Err(error.during("looking for what an earlier rehearsal left")),
        Ok(_) => {
            let _step = context.step("remove the clone that an earlier run left", 1, 0)?;
            files::remove_tree(&path).await.map(drop).during("removing what an earlier rehearsal left")
        }
    }
}

/// Holds it; nothing where it was only planned.
pub async fn hold(
    context: &Context,
    primary: &Primary,
    standby: &Standby,
    settings: &Settings,
) -> Result<Option<Held>, TaskError> {
    let directory = context.directory("clones");
    let path = directory.path("drill");
    let clone = Clone { directory, path, settings };
    let began = Timestamp::now();
    let copied = clone.copy(context, standby).await;
    let cloned = began.until(Timestamp::now());
    let held = match copied {
        Ok(()) => clone.rehearse(context, primary).await,
        Err(error) => Err(error),
    };
    clone.remove(context).await;
    Ok(held?.map(|measured| Held {
        at: Timestamp::now(),
        standby: standby.name.clone(),
        clone_seconds: cloned.as_seconds(),
        ..measured
    }))
}

impl Clone<'_> {
    fn below(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    async fn copy(&self, context: &Context, standby: &Standby) -> Result<(), TaskError> {
        let _step = context.step(&format!("copy the standby {}", standby.name), 1, 0)?;
        let program = Program::new("pg-basebackup")
            .text_path("--pgdata=", &self.path)
            .arguments(["--wal-method=stream", "--checkpoint=fast", "--no-password"])
            .connect_to(&format!("standbys/{}", standby.name))
            .timeout(self.settings.timeout);
        ended_well("pg_basebackup", program.run().await?).map(drop)
    }

    /// Nothing of the standby's own configuration holds for the clone.
    async fn configure(&self, primary: &Primary) -> Result<(), TaskError> {
        let configuration = format!(
            "# A throw-away clone: it knows no primary, no archive, no library and no network.\n\
             listen_addresses = ''\nport = 5432\nunix_socket_directories = '.'\nunix_socket_permissions = 0700\n\
             hot_standby = on\narchive_mode = off\nautovacuum = off\nshared_preload_libraries = ''\n\
             max_logical_replication_workers = 0\nrestart_after_crash = off\nlogging_collector = off\n\
             shared_buffers = 128MB\n{}",
            primary.configuration()
        );
        let own = [
            ("postgresql.conf", configuration.as_str()),
            ("postgresql.auto.conf", ""),
            ("pg_hba.conf", "local all all trust\n"),
            ("pg_ident.conf", ""),
            ("standby.signal", ""),
        ];
        for (name, text) in own {
            files::write(&self.below(name), 0o600, text.as_bytes().to_vec()).await?;
        }
        Ok(())
    }

    async fn rehearse(&self, context: &Context, primary: &Primary) -> Result<Option<Held>, TaskError> {
        if let Some(reason) = context.stop_requested() {
            finding!(Severity::Warning, "stopped", "drill", "{reason}: the clone was made, and not promoted")
                .remedy("run the task again")
                .report();
            return Ok(None);
        }
        // After the copying: what the primary has written by now is what a failover now would be held to.
        let written = if context.is_check() { 0.0 } else { written(context).await? };
        let _step = context.step("start the clone, promote it, write to it and stop it", 9, 0)?;
        self.configure(primary).await?;
        let server = Program::new("postgres").argument("-D").path(&self.path).timeout(self.settings.timeout).run();
        if context.is_check() {
            server.await?;
            self.psql("psql-write", PROMOTE).run().await?;
            self.psql("psql-write", WRITE).run().await?;
            self.stop().run().await?;
            return Ok(None);
        }
        let mut server = pin!(server);
        let work = pin!(self.work(context, written));
        match select(server.as_mut(), work).await {
            Either::Left((ended, _)) => Err(over(ended)),
            Either::Right((measured, _)) => {
                // Where it does not stop, it ends when its call is dropped.
                if ended_well("pg_ctl", self.stop().run().await?).is_ok() {
                    server.await?;
                }
                measured.map(Some)
            }
        }
    }

    /// What is done while the server runs.
    async fn work(&self, context: &Context, written: f64) -> Result<Held, TaskError> {
        let replayed = self.answer().await?;
        if let Some(reason) = context.stop_requested() {
            return Err(TaskError::new(format!("{reason}: the clone answered, and was not promoted")));
        }
        let began = Timestamp::now();
        ended_well("psql", self.psql("psql-write", PROMOTE).run().await?).during("promoting the clone")?;
        let promoted = began.until(Timestamp::now());
        let said = ended_well("psql", self.psql("psql-write", WRITE).run().await?).during("writing to the clone")?;
        let takeover = began.until(Timestamp::now());
        let rows = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
        let (in_recovery, _) = self.look().await?.ok_or("the clone no longer answers after it was written to")?;
        if in_recovery || rows != "1" {
            return Err(TaskError::new(format!(
                "the clone was promoted, and did not take the write: it has {rows:?} rows"
            )));
        }
        Ok(Held {
            at: began,
            standby: String::new(),
            clone_seconds: 0.0,
            promote_seconds: promoted.as_seconds(),
            takeover_seconds: takeover.as_seconds(),
            lost_bytes: (written - replayed).max(0.0),
        })
    }

    /// Waits until it answers: how far it has replayed.
    async fn answer(&self) -> Result<f64, TaskError> {
        let began = Timestamp::now();
        loop {
            match self.look().await? {
                Some((true, replayed)) => return Ok(replayed),
                Some((false, _)) => return Err(TaskError::new("the clone is no standby: it was not started as one")),
                None if began.until(Timestamp::now()) > self.settings.start_timeout => {
                    let limit = self.settings.start_timeout;
                    return Err(TaskError::new(format!("the clone did not answer within {limit}"))
                        .remedy("raise start_timeout, where it has much to replay"));
                }
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Whether it is in recovery, and how far it is; nothing where it does not answer.
    async fn look(&self) -> Result<Option<(bool, f64)>, TaskError> {
        let Outcome::Completed(completed) = self.psql("psql", LOOK).run().await? else {
            return Err(TaskError::new(
                "`psql` was planned and not run: its grant calls the look at the clone a change",
            )
            .remedy("write effect = \"reads\" at this form of [program.psql]"));
        };
        if completed.exit_code != Some(0) {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&completed.stdout);
        let looked = said.trim().split_once('|');
        Ok(looked.and_then(|(recovery, lsn)| Some((recovery == "t", lsn.parse().ok()?))))
    }

    fn psql(&self, request: &str, sql: &str) -> Program {
        Program::new(request)
            .arguments(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h"])
            .path(&self.path)
            .arguments(["-p", "5432", "-U", &self.settings.superuser, "-d", "postgres", "-c", sql])
            .timeout(self.settings.start_timeout)
    }

    fn stop(&self) -> Program {
        Program::new("pg-ctl").arguments(["stop", "-D"]).path(&self.path).arguments(["-m", "fast", "-w"])
    }

    /// Whatever became of it: where it cannot be removed, it is told, and the next run tries again.
    async fn remove(&self, context: &Context) {
        let removed = async {
            // In a check there is none to look for.
            let missing = |error: &TaskError| error.is("ENOENT");
            if !context.is_check() && files::metadata(&self.path).await.is_err_and(|error| missing(&error)) {
                return Ok(());
            }
            let _step = context.step("remove the clone", 1, 0)?;
            files::remove_tree(&self.path).await.map(drop)
        };
        if let Err(error) = removed.await {
            finding!(Severity::Warning, "drill-left", "drill", "the clone could not be removed: {}", error.message())
                .remedy(format!(
                    "remove `drill` in the directory bound to {}; the next run of the task tries it too",
                    self.directory.name()
                ))
                .report();
        }
    }
}

/// Where the primary is now.
async fn written(context: &Context) -> Result<f64, TaskError> {
    let database: Database = context.postgres("database").await?;
    let row = database.query("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS lsn", &[]).await?;
    row.one().await?.get("lsn")
}

/// The server ended before the work on it did.
fn over(ended: Result<Outcome, TaskError>) -> TaskError {
    match ended {
        Err(error) => error.during("the clone"),
        Ok(outcome) => match ended_well("postgres", outcome) {
            Err(error) => error,
            Ok(_) => TaskError::new("the clone ended by itself before it was promoted"),
        },
    }
}

/// What a program wrote, where it was not only planned.
fn ended_well(name: &str, outcome: Outcome) -> Result<Option<Completed>, TaskError> {
    let Outcome::Completed(completed) = outcome else { return Ok(None) };
    if completed.exit_code == Some(0) {
        return Ok(Some(completed));
    }
    Err(TaskError::new(format!("`{name}` did not end well: {}", last_words(&completed.stderr))))
}

/// The last lines that say what was wrong.
pub fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_problem = |line: &&&str| ["rror", "FATAL", "PANIC", "HINT"].iter().any(|word| line.contains(word));
    let told: Vec<&str> = lines.iter().filter(is_problem).copied().collect();
    let told = if told.is_empty() { lines } else { told };
    let words = told[told.len().saturating_sub(3)..].join("; ");
    if words.is_empty() { "it said nothing".into() } else { words.chars().take(500).collect() }
}
