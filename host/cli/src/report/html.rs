//! The report as one HTML file that stands alone: no script, no font, nothing fetched, which its own policy forbids.
//! What plugins and servers wrote is escaped by the template, and stripped of what turns or hides text before.

use hostler_capability::{HistorySeries, Severity};
use maud::{DOCTYPE, Markup, PreEscaped, html as template};

use super::{
    Action, Report,
    chart::{chart, figure},
};
use crate::format::{Style, changes, count, lines, shown};

/// As many charts are drawn; the rest is counted.
const CHARTS: usize = 60;

const STYLE: &str = include_str!("report.css");

/// The report as HTML.
pub(crate) fn html(report: &Report) -> String {
    let made = report.made_at.to_zoned(report.zone.clone()).strftime("%F %H:%M %Z").to_string();
    let title = format!("{}: {}", shown(&report.name), report.verdict.word());
    let page = template! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (badge(report.verdict)) " " (shown(&report.name)) }
                    p { (made) ", " (count(report.runs.len() as u64, "task")) " looked at" }
                }
                (section("Needs action", report.action.len(), template! {
                    @for action in &report.action { (action_of(report, action)) }
                }))
                (section("Looked at, and well", report.well.len(), template! {
                    table { @for well in &report.well {
                        tr { th scope="row" { (shown(&well.task)) } td { (shown(&well.summary)) } td.time { (report.time(well.looked_at)) } }
                    } }
                }))
                (section("Could not be looked at", report.not_looked_at.len(), template! {
                    @for missed in &report.not_looked_at {
                        article.unknown {
                            h3 { (shown(&missed.task)) @if !missed.subject.is_empty() { ": " (shown(&missed.subject)) } }
                            p { (shown(&missed.reason)) }
                            (remedy(missed.remedy.as_deref()))
                        }
                    }
                }))
                (changed(report))
                (charts(report))
            }
        }
    };
    page.into_string()
}

fn section(title: &str, count: usize, body: Markup) -> Markup {
    template! { section { h2 { (title) " (" (count) ")" } @if count == 0 { p.none { "Nothing." } } @else { (body) } } }
}

fn badge(severity: Severity) -> Markup {
    template! { span class=(format!("badge {}", severity.word())) { (severity.word()) } }
}

fn action_of(report: &Report, action: &Action) -> Markup {
    template! {
        article class=(action.severity.word()) {
            h3 { (badge(action.severity)) " " (shown(&action.subject)) span.time { (shown(&action.task)) ", " (report.age(action)) } }
            p { (shown(&action.evidence)) }
            @if let Some(detail) = &action.detail {
                details { summary { "Evidence" } pre { (lines(detail).collect::<Vec<_>>().join("\n")) } }
            }
            (remedy(action.remedy.as_deref()))
        }
    }
}

fn remedy(remedy: Option<&str>) -> Markup {
    template! { @if let Some(remedy) = remedy.filter(|remedy| !remedy.trim().is_empty()) { pre.remedy { (lines(remedy).collect::<Vec<_>>().join("\n")) } } }
}

fn changed(report: &Report) -> Markup {
    let mut text = String::new();
    for run in &report.runs {
        changes(&mut text, run, Style::default(), usize::MAX);
    }
    template! { @if !text.is_empty() { section { h2 { "Changes" } pre { (text) } } } }
}

fn charts(report: &Report) -> Markup {
    let left = report.series.len().saturating_sub(CHARTS);
    template! {
        @if !report.series.is_empty() {
            section {
                h2 { "Measured over " (report.days) " days" }
                div.charts { @for series in report.series.iter().take(CHARTS) { (one(series)) } }
                @if left > 0 { p.none { (left) " more series are in the history: hostler history" } }
            }
        }
    }
}

fn one(series: &HistorySeries) -> Markup {
    let labels: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let last = series.points.last().map(|point| figure(point.value, &series.unit)).unwrap_or_default();
    template! {
        figure {
            figcaption { b { (shown(&last)) } " " (shown(&series.metric)) br; small { (shown(&series.task)) " " (shown(&labels.join(" "))) } }
            (chart(series))
        }
    }
}
