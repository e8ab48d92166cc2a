//! One backup, read to its end, and what is told of it.

use hostler_sdk::files::{self, Compression, Directory};
use hostler_sdk::listed;
use hostler_sdk::prelude::*;
use hostler_sdk::shell::{Outcome, Program};
use shared_backups::{Manifest, last_words};

use crate::item::{CHECKSUM, Content, Form, Item, content, manifest_of};
use crate::{Settings, stream};

/// What became of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Damaged,
    /// It could not be read or decoded.
    Unknown,
    /// It was removed meanwhile.
    Gone,
}

/// Why a backup is not good.
#[derive(Debug)]
pub(crate) enum Problem {
    /// What is wrong with it.
    Damaged(String),
    /// Why nobody knows.
    Unknown(TaskError),
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        Self::Unknown(error)
    }
}

/// A file that has to be there and is not, or cannot be unpacked, is damage; any other failure to read is not.
impl Problem {
    fn of_reading(error: TaskError) -> Self {
        let broken = ["ENOENT", "EIO", "damaged"].iter().any(|code| error.is(code));
        if broken { Self::Damaged(error.message().to_owned()) } else { Self::Unknown(error) }
    }
}

const REMEDY: &str = "take the backup from another copy, make a new one now, and look at the disk (dmesg, smartctl)";

pub(crate) async fn look(
    context: &Context,
    settings: &Settings,
    directory: &Directory,
    item: &Item,
) -> Result<Verdict, TaskError> {
    let path = directory.path(&item.name);
    let subject = format!("{}/{}", directory.name(), item.name);
    let problem = match read(context, settings, &path, item).await {
        Ok(()) => return Ok(Verdict::Good),
        Err(Problem::Unknown(error)) if error.ends_the_run() => return Err(error),
        Err(problem) => problem,
    };
    if files::metadata(&path).await.is_err_and(|error| error.is("ENOENT")) {
        return Ok(Verdict::Gone);
    }
    Ok(match problem {
        Problem::Damaged(what) if item.form == Form::Bare => {
            finding!(Severity::Critical, "manifest-missing", subject, "{what}")
                .remedy("remove the set; where its job was cut off, run it again")
                .report();
            Verdict::Damaged
        }
        Problem::Damaged(what) => {
            finding!(Severity::Critical, "backup-damaged", subject, "{what}").remedy(REMEDY).report();
            Verdict::Damaged
        }
        Problem::Unknown(error) => {
            error.finding("not-verified", subject).report();
            Verdict::Unknown
        }
    })
}

async fn read(context: &Context, settings: &Settings, path: &str, item: &Item) -> Result<(), Problem> {
    match item.form {
        Form::Set => set(context, settings, path).await,
        Form::Bare => Err(Problem::Damaged(format!(
            "{} is not there, so nobody can tell what has to be in the set",
            manifest_of(&item.name)
        ))),
        Form::Directory => restored(context, settings, path).await,
        Form::File { checksum } => file(context, settings, path, item, checksum).await,
    }
}

/// Every file against the manifest, and then what the plugin that wrote it would read first at a restoration.
async fn set(context: &Context, settings: &Settings, path: &str) -> Result<(), Problem> {
    let manifest: Manifest = match shared_backups::read_manifest(path).await {
        Ok(manifest) => manifest,
        Err(error) if error.message().contains("damaged") => {
            return Err(Problem::Damaged(error.message().to_owned()));
        }
        Err(error) => return Err(Problem::of_reading(error)),
    };
    // A base backup's own manifest has the files of its data.
    let has = |name: &str| manifest.files.iter().any(|file| file.path == name);
    let own = has("data/backup_manifest").then_some("data/");
    let differences = shared_backups::differences(path, &manifest, own).await?;
    if !differences.is_empty() {
        return Err(Problem::Damaged(format!("it is not what was written: {}", listed(&differences, 3))));
    }
    if has("dump/toc.dat") {
        restored(context, settings, &format!("{path}/dump")).await?;
    }
    if own.is_some() {
        let program = context.program("pg_verifybackup").argument("--quiet").path(format!("{path}/data"));
        decoded("pg_verifybackup", program.timeout(settings.decode_timeout)).await?;
    }
    for packed in manifest.files.iter().filter(|file| file.path.ends_with(".tar.zst")) {
        let read = stream::read(&format!("{path}/{}", packed.path), Compression::Zstd, true).await;
        stream_judged(read, &packed.path)?;
    }
    Ok(())
}

async fn file(context: &Context, settings: &Settings, path: &str, item: &Item, checksum: bool) -> Result<(), Problem> {
    if item.bytes == 0 {
        return Err(Problem::Damaged("it is empty".into()));
    }
    if checksum {
        let said = files::read(&format!("{path}{CHECKSUM}"), 4096).await?;
        let sum = files::sha256(path).await?;
        same(&said, &sum)?;
    }
    let begins = stream::beginning(path).await?;
    match content(&begins) {
        Content::Dump => restored(context, settings, path).await,
        Content::Zstd => stream_judged(stream::read(path, Compression::Zstd, is_tar(&item.name)).await, &item.name),
        Content::Gzip => stream_judged(stream::read(path, Compression::Gzip, is_tar(&item.name)).await, &item.name),
        Content::Plain if is_tar(&item.name) || item.name.ends_with(".sql") => {
            stream_judged(stream::read(path, Compression::None, is_tar(&item.name)).await, &item.name)
        }
        Content::Plain if checksum => Ok(()),
        Content::Plain => Err(TaskError::new("it has no checksum, and nothing in it says what it has to be")
            .remedy(format!("sha256sum {0} > {0}{CHECKSUM}    # when it is known to be good", item.name))
            .into()),
    }
}

pub(crate) fn is_tar(name: &str) -> bool {
    name.contains(".tar") || name.ends_with(".tgz")
}

/// The first word of a checksum, as sha256sum writes it.
pub(crate) fn same(said: &[u8], sum: &str) -> Result<(), Problem> {
    let said = String::from_utf8_lossy(said);
    match said.split_whitespace().next() {
        Some(word) if word.eq_ignore_ascii_case(sum) => Ok(()),
        Some(_) => Err(Problem::Damaged("it has another SHA-256 than the one beside it".into())),
        None => Err(Problem::Damaged("the checksum beside it is empty".into())),
    }
}

/// What was read of a stream: a table of contents proves nothing, its end does.
fn stream_judged(read: Result<stream::Read, TaskError>, name: &str) -> Result<(), Problem> {
    let read = read.map_err(Problem::of_reading)?;
    if let Some(problem) = read.problem {
        return Err(Problem::Damaged(format!("{name}: {problem}")));
    }
    // What pg_dump and pg_dumpall write last.
    let is_dump = read.begins.starts_with(b"--\n-- PostgreSQL database");
    let ended = read.ends.windows(13).any(|words| words == b"dump complete");
    if is_dump && !ended {
        return Err(Problem::Damaged("it is a dump of pg_dump's that was cut off before its end".into()));
    }
    Ok(())
}

async fn restored(context: &Context, settings: &Settings, path: &str) -> Result<(), Problem> {
    let program = context.program("pg_restore").argument("--file=/dev/null").path(path);
    decoded("pg_restore", program.timeout(settings.decode_timeout)).await
}

async fn decoded(name: &str, program: Program) -> Result<(), Problem> {
    match program.run().await {
        Ok(Outcome::Completed(done)) => program_judged(name, done.exit_code, &done.stderr),
        Ok(Outcome::Planned) => Err(TaskError::new(format!("its grant calls this form of {name} a change"))
            .remedy(format!("write effect = \"reads\" at this form of {name}"))
            .into()),
        Err(error) if error.is_unbound() => {
            Err(TaskError::new(format!("its files are what was written, and it was not decoded: {name} is not bound"))
                .remedy(format!("bind.{name} = \"program.{name}\""))
                .into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A program that cannot read this kind of archive says nothing about it.
pub(crate) fn program_judged(name: &str, code: Option<i32>, stderr: &[u8]) -> Result<(), Problem> {
    if code == Some(0) {
        return Ok(());
    }
    let words = last_words(stderr);
    let whole = String::from_utf8_lossy(stderr);
    let unable = ["unsupported version", "does not support", "not supported by this build", "ermission denied"];
    if code.is_none() || unable.iter().any(|unable| whole.contains(unable)) {
        let error = TaskError::new(format!("{name} could not decode it: {words}"));
        return Err(error.remedy(format!("bind the {name} of the version that wrote it, or a later one")).into());
    }
    Err(Problem::Damaged(format!("{name} cannot decode it: {words}")))
}
