//! MEMORY PURGE, where it does anything: jemalloc alone gives pages back on demand, and only pages that it holds and
//! does not use. Fragmentation inside used pages is another thing, which no purge mends and active defragmentation does.
//!
//! The guide sends it to every server every time. Here the allocator's own figures decide, and what came of it is told.

use hostler_sdk::prelude::*;
use hostler_sdk::redis::{Execution, Server};

hostler_sdk::plugin!(Settings, run);

/// The server measures its memory ten times a second, and says what it measured last.
const MEASURED_ANEW: std::time::Duration = std::time::Duration::from_millis(300);

#[derive(Deserialize)]
struct Settings {
    ratio: f64,
    least: ByteSize,
}

/// What the allocator holds.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    allocator: String,
    /// Resident over active.
    ratio: f64,
    /// Resident less active: pages that could be given back.
    unused: f64,
    /// Of the process as a whole.
    resident: f64,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let server = context.redis("server").await?;
    let before = held(&server).await?;
    before.report();
    if let Some(reason) = before.leave_alone(&settings) {
        return Ok(format!("nothing to give back: {reason}"));
    }
    let _lock = context.lock("server", "memory-purge").await?;
    let _step = context.step("give unused pages back to the machine", 1, 0)?;
    match server.execute(["MEMORY", "PURGE"]).await? {
        Execution::Planned => Ok(format!("would give back up to {}", ByteSize::from_f64(before.unused))),
        Execution::Applied(_) => {
            std::thread::sleep(MEASURED_ANEW);
            let after = held(&server).await?;
            after.report();
            Ok(outcome(&before, &after))
        }
    }
}

async fn held(server: &Server) -> Result<Held, TaskError> {
    let info = server.info(&["memory"]).await?;
    Ok(Held {
        allocator: info.get("mem_allocator").unwrap_or("unknown").to_owned(),
        ratio: info.number("allocator_rss_ratio")?,
        unused: info.number("allocator_rss_bytes")?,
        resident: info.number("used_memory_rss")?,
    })
}

impl Held {
    fn report(&self) {
        Metric::gauge("redis_allocator_unused_bytes", self.unused.max(0.0)).report();
        Metric::gauge("redis_resident_memory_bytes", self.resident).report();
    }

    /// Why a purge would do nothing.
    fn leave_alone(&self, settings: &Settings) -> Option<String> {
        if !self.allocator.starts_with("jemalloc") {
            return Some(format!("the server's allocator {} gives nothing back on demand", self.allocator));
        }
        let unused = ByteSize::from_f64(self.unused);
        if self.unused <= settings.least.as_f64() {
            return Some(format!("the allocator holds {unused} unused, and up to {} is left alone", settings.least));
        }
        (self.ratio <= settings.ratio).then(|| {
            format!("its resident memory is {:.2} of its active, up to {} is left alone", self.ratio, settings.ratio)
        })
    }
}

fn outcome(before: &Held, after: &Held) -> String {
    let given = before.resident - after.resident;
    let resident = |held: &Held| ByteSize::from_f64(held.resident);
    if given < before.unused * 0.1 {
        finding!(
            Severity::Warning,
            "nothing-given-back",
            "server",
            "the allocator kept its pages: resident memory was {} and is {}",
            resident(before),
            resident(after)
        )
        .detail("Pages that hold one used byte stay: that is fragmentation, which a purge does not mend.")
        .remedy("redis-cli CONFIG SET activedefrag yes    # where the server was built with it")
        .report();
    }
    format!(
        "{} given back: resident memory was {} and is {}",
        ByteSize::from_f64(given),
        resident(before),
        resident(after)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_sdk::testing::{record, refuses_each, settings};
    use serde_json::json;

    const MANIFEST: &str = include_str!("../plugin.toml");
    const MIB: f64 = 1_048_576.0;

    fn held(allocator: &str, ratio: f64, unused: f64) -> Held {
        Held { allocator: allocator.into(), ratio, unused: unused * MIB, resident: 100.0 * MIB }
    }

    #[test]
    fn only_jemallocs_unused_pages_are_worth_a_purge() {
        let settings: Settings = settings(MANIFEST, json!({}));
        let left = |held: Held| held.leave_alone(&settings);
        assert_eq!(left(held("jemalloc-5.2.1", 1.11, 11.0)), None);
        for (one, said) in [
            (held("libc", 2.0, 500.0), "libc gives nothing back"),
            (held("jemalloc-5.2.1", 2.0, 10.0), "holds 10.0 MiB unused"),
            (held("jemalloc-5.2.1", 1.1, 500.0), "is 1.10 of its active"),
        ] {
            assert!(left(one.clone()).is_some_and(|reason| reason.contains(said)), "{one:?}");
        }
    }

    #[test]
    fn a_purge_that_gave_nothing_back_is_told() {
        let before = held("jemalloc-5.2.1", 2.0, 50.0);
        let after = |resident: f64| Held { resident: resident * MIB, ..before.clone() };
        assert_eq!(record(|| outcome(&before, &after(55.0))).told(), []);
        assert_eq!(
            record(|| outcome(&before, &after(99.0))).told(),
            [("nothing-given-back", "server", Severity::Warning)]
        );
        assert_eq!(
            outcome(&before, &after(55.0)),
            "45.0 MiB given back: resident memory was 100.0 MiB and is 55.0 MiB"
        );
    }

    #[test]
    fn bad_settings_are_refused() {
        refuses_each(
            MANIFEST,
            &[("ratio", json!(0.9)), ("ratio", json!("x")), ("least", json!(-1)), ("least", json!("x"))],
        );
    }
}
