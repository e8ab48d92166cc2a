//! The table: what was measured, beside what, the goal, and on which machine.

use std::{fmt::Write, fs};

use crate::peers;

/// What a figure is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// No goal: it is there to be compared with.
    Told,
}

/// One figure.
pub(crate) struct Line {
    what: String,
    host: String,
    beside: String,
    figure: f64,
    unit: &'static str,
    goal: Goal,
}

impl Line {
    /// A ratio of the host's figure to a peer's.
    pub(crate) fn ratio(what: &str, host: String, beside: String, figure: f64, goal: Goal) -> Self {
        Self { what: what.into(), host, beside, figure, unit: "×", goal }
    }

    /// A figure with a unit of its own.
    pub(crate) fn figure(what: &str, beside: String, figure: f64, unit: &'static str, goal: Goal) -> Self {
        Self { what: what.into(), host: format!("{figure:.1} {unit}"), beside, figure, unit, goal }
    }

    /// What could not be measured, and why.
    pub(crate) fn missing(what: &str, why: &str) -> Self {
        let beside = why.replace(['\n', '|'], " ");
        Self { what: what.into(), host: "not measured".into(), beside, figure: f64::NAN, unit: "", goal: Goal::Told }
    }

    fn cells(&self) -> [String; 6] {
        let figure = if self.figure.is_nan() { String::new() } else { format!("{:.3} {}", self.figure, self.unit) };
        let (goal, reached) = match self.goal {
            Goal::AtMost(most) => (format!("≤ {most} {}", self.unit), self.figure <= most),
            Goal::AtLeast(least) => (format!("≥ {least} {}", self.unit), self.figure >= least),
            Goal::Told => {
                return [
                    self.what.clone(),
                    self.host.clone(),
                    self.beside.clone(),
                    figure,
                    String::new(),
                    String::new(),
                ];
            }
        };
        let reached = if reached { "yes" } else { "**no**" };
        [self.what.clone(), self.host.clone(), self.beside.clone(), figure, goal, reached.into()]
    }
}

/// The table as Markdown, with the machine and the versions below it.
pub(crate) fn write(lines: &[Line]) -> String {
    let mut text =
        String::from("| what | hostler | beside | figure | goal | reached |\n| --- | --- | --- | --- | --- | --- |\n");
    for line in lines {
        let _ = writeln!(text, "| {} |", line.cells().join(" | "));
    }
    let _ = writeln!(text, "\nMedians of runs that took turns. {}, {}.\n", jiff::Zoned::now().date(), machine());
    for (program, version) in peers::versions() {
        let _ = writeln!(text, "- {program}: {version}");
    }
    text
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let named = |line: &&str| line.starts_with("model name");
    let model = processor.lines().find(named).and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
    let memory = read("/proc/meminfo");
    let kilobytes = memory.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores of {model}, {} GiB of memory, Linux {}", kilobytes >> 20, kernel.trim())
}
