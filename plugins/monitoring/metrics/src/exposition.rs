//! The text format in which exporters tell their figures, read as strictly as Prometheus reads it: a single bad line makes
//! it drop the whole scrape, so a reader that passes over it would call healthy what nobody sees.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    pub name: &'a str,
    /// Sorted by name.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    pub value: f64,
    /// Seconds since the Unix epoch, where the exporter gives one.
    pub at: Option<f64>,
}

impl Sample<'_> {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| &**value)
    }

    /// Name and labels, which together are one series.
    pub fn series(&self) -> String {
        if self.labels.is_empty() {
            return self.name.to_owned();
        }
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{}{{{}}}", self.name, labels.join(","))
    }
}

/// All that an endpoint answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition<'a> {
    pub samples: Vec<Sample<'a>>,
    kinds: BTreeMap<&'a str, &'a str>,
}

impl<'a> Exposition<'a> {
    /// `open` where the answer calls itself OpenMetrics, which gives times in seconds.
    ///
    /// # Errors
    /// The line that is wrong, and what is wrong with it.
    pub fn parse(text: &'a str, open: bool) -> Result<Self, String> {
        let mut exposition = Self::default();
        for (place, line) in text.lines().enumerate() {
            exposition.line(line.trim(), open).map_err(|problem| format!("line {}: {problem}", place + 1))?;
        }
        if exposition.samples.is_empty() {
            return Err("it has no samples".into());
        }
        Ok(exposition)
    }

    fn line(&mut self, line: &'a str, open: bool) -> Result<(), String> {
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_whitespace();
            if let (Some("TYPE"), Some(name), Some(kind)) = (words.next(), words.next(), words.next())
                && self.kinds.insert(name, kind).is_some()
            {
                return Err(format!("a second TYPE of {name}"));
            }
            return Ok(());
        }
        if !line.is_empty() {
            self.samples.push(sample(line, open)?);
        }
        Ok(())
    }

    /// Whether a sample only grows.
    pub fn is_counter(&self, sample: &Sample<'_>) -> bool {
        let kind = |name: &str| self.kinds.get(name).copied();
        let of_parts = |end: &str| sample.name.strip_suffix(end).and_then(kind);
        let counts = kind(sample.name) == Some("counter") || of_parts("_total") == Some("counter");
        let parts = ["_count", "_bucket"].iter().any(|end| {
            matches!(of_parts(end), Some("histogram")) || (*end == "_count" && of_parts(end) == Some("summary"))
        });
        let unsaid = kind(sample.name).is_none() && of_parts("_total").is_none() && sample.name.ends_with("_total");
        // A time of a reset is no count, whatever its type says.
        (counts || parts || unsaid) && !sample.name.ends_with("_reset") && sample.value.is_finite()
    }

    /// Series that stand there more than once.
    pub fn duplicates(&self) -> Vec<String> {
        let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
        for sample in &self.samples {
            let series = sample.series();
            if !seen.insert(series.clone()) {
                twice.insert(series);
            }
        }
        twice.into_iter().collect()
    }

    /// The only value of a name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.samples.iter().find(|sample| sample.name == name).map(|sample| sample.value)
    }
}

fn sample(line: &str, open: bool) -> Result<Sample<'_>, String> {
    let end = line.find(|letter: char| !is_of_name(letter)).ok_or("a name without a value")?;
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err(format!("{:?} is no name of a metric", line.chars().take(40).collect::<String>()));
    }
    let mut labels = vec![];
    rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        (labels, rest) = read_labels(inside)?;
    }
    // An exemplar stands behind a hash.
    let mut words = rest.split('#').next().unwrap_or_default().split_whitespace();
    let value = words.next().ok_or_else(|| format!("{name} has no value"))?;
    let value: f64 = value.parse().map_err(|_| format!("{value:?} of {name} is no number"))?;
    let at =
        words.next().map(|at| at.parse::<f64>().map_err(|_| format!("{at:?} of {name} is no time"))).transpose()?;
    if words.next().is_some() {
        return Err(format!("{name} has more than a value and a time"));
    }
    labels.sort();
    if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("{name} has a label twice"));
    }
    Ok(Sample { name, labels, value, at: at.map(|at| if open { at } else { at / 1000.0 }) })
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

fn read_labels(mut rest: &str) -> Result<(Labels<'_>, &str), String> {
    let mut labels = vec![];
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        let (name, behind) = rest.split_once('=').ok_or("a label without a value")?;
        let name = name.trim();
        let is_name = !name.is_empty() && name.chars().all(|letter| is_of_name(letter) && letter != ':');
        if !is_name || name.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Err(format!("{:?} is no name of a label", name.chars().take(40).collect::<String>()));
        }
        let value = behind.trim_start().strip_prefix('"').ok_or("a label's value without quotes")?;
        let end = closing_quote(value).ok_or("a label's value that does not end")?;
        labels.push((name, unescaped(&value[..end])));
        rest = value[end + 1..].trim_start();
        rest = match rest.strip_prefix(',') {
            Some(behind) => behind,
            None if rest.starts_with('}') => rest,
            None => return Err("labels without a comma between them".into()),
        };
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let (mut whole, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            ('\\', Some('n')) => whole.push('\n'),
            ('\\', Some(escaped)) => whole.push(escaped),
            (letter, _) => whole.push(letter),
        }
    }
    Cow::Owned(whole)
}
