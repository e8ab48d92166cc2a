//! How long a certificate lasts, and whether that is long enough.

use hostler_sdk::{Duration, Measure, Severity, Timestamp, judged_below};

use crate::Settings;
use shared_certificates::Certificate;

/// What time says about a certificate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) summary: String,
    pub(crate) left: Duration,
}

/// Judges a certificate by the time.
pub(crate) fn judge(certificate: &Certificate, settings: &Settings, now: Timestamp) -> Verdict {
    let left = now.until(certificate.not_after);
    let lifetime = certificate.not_before.until(certificate.not_after);
    let verdict = |severity, code, summary| Verdict { severity, code, summary, left };
    let until = certificate.not_after;
    if left.as_seconds() <= 0.0 {
        let since = Duration::from_seconds(-left.as_seconds());
        return verdict(Severity::Critical, "expired", format!("it expired {since} ago ({until})"));
    }
    let begins = now.until(certificate.not_before);
    if begins.as_seconds() > 0.0 {
        let from = certificate.not_before;
        return verdict(Severity::Critical, "not-yet-valid", format!("it is valid in {begins} only (from {from})"));
    }
    let (severity, limit) = if lifetime > settings.long_lived {
        let limits = (settings.warning_left.as_seconds(), settings.critical_left.as_seconds());
        judged_below(left.as_seconds(), limits.0, limits.1, Measure::Seconds)
    } else {
        let share = left.as_seconds() / lifetime.as_seconds() * 100.0;
        let limits = (settings.warning_share.0, settings.critical_share.0);
        let (severity, limit) = judged_below(share, limits.0, limits.1, Measure::Percent);
        (severity, format!(", {share:.0} % of its lifetime{limit}"))
    };
    verdict(severity, "expires-soon", format!("it expires in {left} ({until}){limit}"))
}
