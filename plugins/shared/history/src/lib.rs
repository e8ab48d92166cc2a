//! Statistics of what tasks measured, such as one outlier does not move: medians instead of means, the median of absolute
//! deviations instead of the standard one, the median of slopes instead of least squares.

use hostler_sdk::Timestamp;
use hostler_sdk::history::Series;

/// What makes the median of absolute deviations as large as the standard deviation where values are normal.
const NORMAL: f64 = 1.4826;
/// Points that slopes are taken between at most: pairs grow with their square.
const MOST_POINTS: usize = 200;
/// Milliseconds.
const DAY: f64 = 86_400_000.0;

/// A share of the values lies below it: 0.5 is the median. Nothing where there are none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let place = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The median.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The median of absolute deviations from the median, scaled to a standard deviation.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let away: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    median(&away).map(|away| away * NORMAL)
}

/// A value at a time, in milliseconds since the Unix epoch.
pub type Point = (u64, f64);

/// How a value grows a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// The median of the slopes between all pairs of points (Theil and Sen).
    pub median: f64,
    /// Nine of ten such slopes lie from here …
    pub low: f64,
    /// … to here.
    pub high: f64,
}

/// The slope of a line through points; nothing where they are fewer than three.
#[must_use]
pub fn slope(points: &[Point]) -> Option<Slope> {
    if points.len() < 3 {
        return None;
    }
    let step = points.len().div_ceil(MOST_POINTS);
    let taken: Vec<Point> = points.iter().copied().step_by(step).collect();
    let mut slopes = vec![];
    for (place, (at, value)) in taken.iter().enumerate() {
        for (later, then) in &taken[place + 1..] {
            if later > at {
                slopes.push((then - value) / ((later - at) as f64 / DAY));
            }
        }
    }
    Some(Slope { median: median(&slopes)?, low: quantile(&slopes, 0.05)?, high: quantile(&slopes, 0.95)? })
}

/// A series' points. Of a counter, whose name says so, how much it grew a second between each two; where it fell, it
/// began anew.
#[must_use]
pub fn points(series: &Series) -> Vec<Point> {
    let mut points: Vec<Point> = series.points.iter().map(|point| (point.at, point.value)).collect();
    points.sort_by_key(|(at, _)| *at);
    if !series.metric.ends_with("_total") {
        return points;
    }
    let growth = |pair: &[Point]| {
        let seconds = (pair[1].0 - pair[0].0) as f64 / 1000.0;
        (seconds > 0.0 && pair[1].1 >= pair[0].1).then(|| (pair[1].0, (pair[1].1 - pair[0].1) / seconds))
    };
    points.windows(2).filter_map(growth).collect()
}

/// The points between two times, the later one included.
#[must_use]
pub fn between(points: &[Point], from: Timestamp, until: Timestamp) -> Vec<Point> {
    points.iter().copied().filter(|(at, _)| *at > from.0 && *at <= until.0).collect()
}

/// Days before a time.
#[must_use]
pub fn days_before(now: Timestamp, days: f64) -> Timestamp {
    Timestamp(now.0.saturating_sub((days * DAY) as u64))
}

/// What a series is called: `filesystem_available_percent{mount="/"} of machine`.
#[must_use]
pub fn name(series: &Series) -> String {
    let labels: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    format!("{}{labels} of {}", series.metric, series.task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_moves_nothing() {
        let values = [1.0, 2.0, 3.0, 4.0, 1000.0];
        assert_eq!((median(&values), quantile(&values, 1.0)), (Some(3.0), Some(1000.0)));
        assert_eq!(deviation(&values), Some(1.4826));
        assert_eq!((median(&[]), median(&[f64::NAN])), (None, None));
        let mut line: Vec<Point> = (0..30).map(|day| (day * 86_400_000, day as f64 * 2.0)).collect();
        line[20].1 = 900.0;
        let slope = slope(&line).expect("a line");
        assert!((slope.median - 2.0).abs() < 1e-9 && slope.low <= 2.0 && slope.high >= 2.0, "{slope:?}");
        assert_eq!(super::slope(&line[..2]), None);
    }

    #[test]
    fn a_counter_is_looked_at_by_its_growth() {
        let mut series = Series {
            task: "t".into(),
            metric: "errors_total".into(),
            unit: String::new(),
            labels: vec![("a".into(), "b".into())],
            warning: None,
            critical: None,
            points: vec![],
        };
        for (at, value) in [(0, 5.0), (10_000, 25.0), (20_000, 3.0), (30_000, 13.0)] {
            series.points.push(hostler_sdk::history::Point { at, value });
        }
        assert_eq!(points(&series), [(10_000, 2.0), (30_000, 1.0)]);
        assert_eq!(name(&series), "errors_total{a=\"b\"} of t");
        series.metric = "errors".into();
        assert_eq!(points(&series).len(), 4);
    }
}
