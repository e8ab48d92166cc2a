//! Whether the metrics are true. A dashboard shows whatever an exporter says, and an exporter that answers is believed: with
//! figures that have not moved since yesterday, of a server that is down, or counted twice. So each endpoint is read as
//! Prometheus reads it, beside its own last answer, beside this machine's clock, and beside a second source.

mod clock;
mod exposition;
mod second;
mod since;

use std::collections::BTreeMap;

use hostler_sdk::network::{Endpoint, Response};
use hostler_sdk::postgres::Database;
use hostler_sdk::{Timestamp, baseline_taken, judged_above, listed, prelude::*};

use clock::{Seen, Span};
use exposition::Exposition;
use since::Kept;

hostler_sdk::plugin!(Settings, run);

/// Bytes of one answer: Prometheus' own limit, where it has one, is of this order.
const MOST: usize = 16 << 20;

#[derive(Deserialize)]
struct Settings {
    interval: Duration,
    warning: f64,
    critical: f64,
    file_interval: Duration,
    skew: Duration,
    probes: usize,
    tolerance: Percent,
    timeout: Duration,
}

/// An endpoint's answer, and its clock.
struct Scrape {
    name: String,
    took: Duration,
    text: String,
    open: bool,
    seen: Vec<Seen>,
}

async fn run(context: Context, settings: Settings) -> Result<String, TaskError> {
    let database = match context.postgres("database").await {
        Ok(database) => Some(database),
        Err(error) if error.is_unbound() => None,
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            error.finding("second-source-unseen", "database").report();
            None
        }
    };
    let mut told = Told::default();
    let mut twins: BTreeMap<(u64, u64), String> = BTreeMap::new();
    let endpoints = context.endpoints("endpoints");
    for endpoint in &endpoints {
        let before = asked(database.as_ref()).await?;
        let Some(scrape) = scrape(endpoint, &settings).await? else {
            told.failed += 1;
            continue;
        };
        let after = asked(database.as_ref()).await?;
        let exposition = match Exposition::parse(&scrape.text, scrape.open) {
            Ok(exposition) => exposition,
            Err(problem) => {
                invalid(&scrape.name, &problem).report();
                told.failed += 1;
                continue;
            }
        };
        report(&scrape, &exposition, &settings, &mut told);
        compare_with_last(&context, &scrape.name, &exposition, &settings).await?;
        if let Some(twin) = twin(&exposition)
            && let Some(first) = twins.insert(twin, scrape.name.clone())
        {
            twice(&first, &scrape.name).report();
        }
        if let (Some(before), Some(after)) = (before, after) {
            let compared = second::compare(&exposition, &before, &after, settings.tolerance);
            told.disagreeing += second::report(&scrape.name, &compared, settings.tolerance);
            told.compared += compared.len();
        }
    }
    if database.is_some() {
        told.second_source(told.failed == endpoints.len());
    }
    told.table.report();
    Ok(format!(
        "{} of {} read, {} series, {} compared with a second source, {} differ",
        endpoints.len() - told.failed,
        counted(endpoints.len(), "endpoint"),
        told.series,
        counted(told.compared, "figure"),
        told.disagreeing
    ))
}

/// What the run has told so far.
struct Told {
    failed: usize,
    series: usize,
    compared: usize,
    disagreeing: usize,
    table: Table,
}

impl Default for Told {
    fn default() -> Self {
        let columns = ["endpoint", "series", "answered in", "oldest sample", "clock"];
        Self { failed: 0, series: 0, compared: 0, disagreeing: 0, table: Table::new("Endpoints", &columns) }
    }
}

impl Told {
    fn second_source(&self, none_read: bool) {
        Metric::gauge("scrape_figures_compared", self.compared as f64).report();
        Metric::gauge("scrape_figures_disagreeing", self.disagreeing as f64).report();
        if self.compared == 0 && !none_read {
            finding!(Severity::Unknown, "no-second-source", "database", "a database is bound, and no endpoint tells its pg_stat_database_… or pg_database_size_bytes: nothing was compared")
                .remedy("bind the exporter that watches this server as one of the endpoints, or leave database unbound")
                .report();
        }
    }
}

/// What the server itself says, where it is bound and can be asked.
async fn asked(database: Option<&Database>) -> Result<Option<second::Figures>, TaskError> {
    let Some(database) = database else { return Ok(None) };
    match second::read(database).await {
        Ok(figures) => Ok(Some(figures)),
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => {
            error.finding("second-source-unseen", "database").report();
            Ok(None)
        }
    }
}

/// An endpoint's answer, asked for as often as its clock takes; nothing where there is none, which is told.
async fn scrape(endpoint: &Endpoint, settings: &Settings) -> Result<Option<Scrape>, TaskError> {
    let mut scrape = Scrape {
        name: endpoint.name().to_owned(),
        took: Duration::default(),
        text: String::new(),
        open: false,
        seen: vec![],
    };
    for probe in 0..settings.probes {
        let asked = clock::now();
        let response = match endpoint.get("", settings.timeout, MOST).await {
            Ok(response) => response,
            Err(error) if error.ends_the_run() => return Err(error),
            // The first answer stands.
            Err(_) if probe > 0 => break,
            Err(error) => {
                down(&scrape.name, error.message()).report();
                return Ok(None);
            }
        };
        let answered = clock::now();
        if let Some(finding) = refused(&scrape.name, &response) {
            finding.report();
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let open = header(&response, "content-type").is_some_and(|kind| kind.contains("openmetrics"));
        let date = header(&response, "date").and_then(|text| clock::date(&text));
        let exposition = Exposition::parse(&text, open).unwrap_or_default();
        let time = exposition.value("node_time_seconds");
        let latest = exposition.samples.iter().filter_map(|sample| sample.at).reduce(f64::max);
        scrape.seen.push(Seen { asked, answered, date, time, latest });
        if probe == 0 {
            scrape.took = Duration::from_seconds(answered - asked);
            (scrape.text, scrape.open) = (text, open);
        }
    }
    Ok(Some(scrape))
}

fn header(response: &Response, name: &str) -> Option<String> {
    let found = response.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

fn down(name: &str, why: &str) -> Finding {
    finding!(Severity::Critical, "endpoint-down", name, "it does not answer: {why}")
        .remedy("look at the exporter's service: systemctl status of its unit; meanwhile its graphs are empty, and alerts on its figures do not fire")
}

fn invalid(name: &str, problem: &str) -> Finding {
    finding!(Severity::Critical, "exposition-invalid", name, "Prometheus drops all that it answers: {problem}").remedy(
        "curl -s its URL | promtool check metrics; then mend what writes that line (a textfile, a name with a hyphen)",
    )
}

/// What an answer says that is none.
fn refused(name: &str, response: &Response) -> Option<Finding> {
    match response.status {
        200 if response.body.len() >= MOST => {
            Some(invalid(name, &format!("it is longer than {}", ByteSize(MOST as u64))))
        }
        200 => None,
        401 | 403 => Some(
            finding!(
                Severity::Unknown,
                "endpoint-refused",
                name,
                "it answers {}: what it has was not looked at",
                response.status
            )
            .remedy("give the endpoint its credential in the configuration: `hostler help` of [endpoint.NAME]"),
        ),
        status => Some(down(name, &format!("it answers {status}"))),
    }
}

/// One endpoint by itself.
fn report(scrape: &Scrape, exposition: &Exposition<'_>, settings: &Settings, told: &mut Told) {
    let name = scrape.name.as_str();
    let duplicates = exposition.duplicates();
    if !duplicates.is_empty() {
        let (count, verb) = (duplicates.len(), agreed(duplicates.len(), "stands", "stand"));
        finding!(Severity::Warning, "series-duplicate", name, "{count} series {verb} there more than once: {}", listed(&duplicates, 3))
            .detail("Prometheus keeps one of the samples and drops the others, and counts them in prometheus_target_scrapes_sample_duplicate_timestamp_total.")
            .remedy("find which collector or textfile writes it a second time")
            .report();
    }
    let age = ages(scrape, exposition, settings);
    sources(name, exposition);
    let span = offset(scrape, settings);
    let label = |metric: Metric| metric.label("endpoint", name).report();
    label(Metric::gauge("scrape_duration_seconds", scrape.took.as_seconds()));
    label(Metric::gauge("scrape_series", exposition.samples.len() as f64));
    told.series += exposition.samples.len();
    let age = age.map_or("not told".to_owned(), |age| Duration::from_seconds(age).to_string());
    told.table.row(&[&name, &exposition.samples.len(), &scrape.took, &age, &span.in_words()]);
}

/// The age of the oldest sample that carries a time; told where it is too old.
fn ages(scrape: &Scrape, exposition: &Exposition<'_>, settings: &Settings) -> Option<f64> {
    let now = scrape.seen.first()?.answered;
    let timed = exposition.samples.iter().filter_map(|sample| Some((now - sample.at?, sample)));
    let oldest = timed.clone().max_by(|(one, _), (other, _)| one.total_cmp(other));
    if let Some((age, sample)) = &oldest {
        let (severity, limit) = too_old(*age, settings.interval, settings);
        let old = timed.filter(|(age, _)| too_old(*age, settings.interval, settings).0 != Severity::Ok).count();
        finding!(severity, "samples-old", &scrape.name, "{} {} old: {} from {} ago{limit}", counted(old, "sample"), agreed(old, "is", "are"), sample.series(), Duration::from_seconds(*age))
            .detail("A sample that carries a time of its own is stored at that time: graphs of now do not show it, and alerts do not see it after five minutes.")
            .remedy("look at what gives these samples their times: a push gateway, a federation, or an exporter with a cache")
            .report_unless_ok();
        Metric::gauge("scrape_sample_age_seconds", *age).label("endpoint", &scrape.name).report();
    }
    for file in exposition.samples.iter().filter(|sample| sample.name == "node_textfile_mtime_seconds") {
        let age = now - file.value;
        let (severity, limit) = too_old(age, settings.file_interval, settings);
        let path = file.label("file").unwrap_or_default();
        finding!(
            severity,
            "samples-old",
            format!("{} {path}", scrape.name),
            "the file was written {} ago{limit}",
            Duration::from_seconds(age)
        )
        .detail("node_exporter goes on telling what stands in a file, however old it is.")
        .remedy("look at the timer or cron job that writes it")
        .report_unless_ok();
    }
    oldest.map(|(age, _)| age)
}

fn too_old(age: f64, interval: Duration, settings: &Settings) -> (Severity, String) {
    let interval = interval.as_seconds();
    judged_above(age, interval * settings.warning, interval * settings.critical, Measure::Seconds)
}

/// Exporters that answer for something that does not.
fn sources(name: &str, exposition: &Exposition<'_>) {
    for sample in &exposition.samples {
        if sample.name.ends_with("_up") && sample.value == 0.0 && !sample.name.starts_with("node_") {
            finding!(
                Severity::Critical,
                "source-down",
                name,
                "{} is 0: the exporter answers, and what it watches does not",
                sample.series()
            )
            .detail(
                "The endpoint is up for Prometheus, and the figures of what it watches are missing or of yesterday.",
            )
            .remedy("look at the server behind the exporter, and at the exporter's log")
            .report();
        }
        if sample.name.ends_with("_scrape_error") && sample.value != 0.0 {
            finding!(
                Severity::Warning,
                "collection-failed",
                name,
                "{} is {}: some of its figures are missing",
                sample.series(),
                sample.value
            )
            .remedy("read the exporter's log; it says which query or file failed")
            .report();
        }
    }
}

fn offset(scrape: &Scrape, settings: &Settings) -> Span {
    let span = clock::narrowed(&scrape.seen);
    if span.is_known() {
        let label = |metric: Metric| metric.label("endpoint", &scrape.name).report();
        label(Metric::gauge("scrape_clock_offset_seconds", span.middle()));
        label(Metric::gauge("scrape_clock_resolution_seconds", span.resolution()));
    }
    if span.least <= span.most && span.is_beyond(settings.skew.as_seconds()) {
        finding!(Severity::Warning, "clock-offset", &scrape.name, "its clock is {}, warning above {}", span.in_words(), settings.skew)
            .detail("Ahead of this machine's, as far as the requests tell. A rate over samples of two clocks is wrong by their difference, and logs of the two do not line up.")
            .remedy("timedatectl timesync-status    -- on both machines: one of the two does not follow its time server")
            .report();
    }
    span
}

/// One endpoint beside its last answer.
async fn compare_with_last(
    context: &Context,
    name: &str,
    exposition: &Exposition<'_>,
    settings: &Settings,
) -> Result<(), TaskError> {
    let key = format!("endpoint/{name}");
    let now = Timestamp::now();
    let earlier: Option<Kept> = context.state().get(&key).await?;
    let mut kept = Kept::of(exposition, now);
    match earlier {
        None => baseline_taken(name, "standstill and counters are judged from the next run on").report(),
        Some(earlier) => {
            let change = kept.since(&earlier, exposition, now);
            change.report(name);
            if let Some(standstill) = change.standstill {
                standing_still(name, standstill, settings).report_unless_ok();
            }
        }
    }
    context.state().set(&key, &kept).await
}

fn standing_still(name: &str, standstill: Duration, settings: &Settings) -> Finding {
    let (severity, limit) = too_old(standstill.as_seconds(), settings.interval, settings);
    finding!(severity, "samples-old", name, "not one of its figures has moved for at least {standstill}{limit}")
        .detail("An exporter that works counts at least its own requests. This one answers from a file or a cache that nobody renews.")
        .remedy("look at what writes the file or fills the cache that this endpoint serves")
}

/// What only one process has: when it began, and which series it tells.
fn twin(exposition: &Exposition<'_>) -> Option<(u64, u64)> {
    let start = exposition.value("process_start_time_seconds")?;
    let series = exposition.samples.iter().fold(0_u64, |sum, sample| sum.wrapping_add(since::hash(&sample.series())));
    Some((start.to_bits(), series))
}

fn twice(first: &str, second: &str) -> Finding {
    finding!(
        Severity::Warning,
        "endpoint-twice",
        second,
        "it is the same process as {first}: every sum over the two counts double"
    )
    .remedy("remove one of the two targets from Prometheus' scrape_configs, and from this task")
}

#[cfg(test)]
mod tests;
