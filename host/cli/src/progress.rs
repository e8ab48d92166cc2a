//! A bar for each task under way, on a terminal only.

use std::{
    collections::HashMap,
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
};

use hostler_service::{RunOptions, TaskOutcome};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Shows progress on standard error where that is a terminal.
pub fn show(options: &mut RunOptions) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let bars: Arc<Mutex<HashMap<String, ProgressBar>>> = Arc::default();
    let all = MultiProgress::new();
    let told = bars.clone();
    options.progress = Some(Arc::new(move |task, done, total, message| {
        let mut bars = told.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(task.to_owned()).or_insert_with(|| all.add(bar(total)));
        bar.set_length(total.unwrap_or(0));
        bar.set_position(done);
        bar.set_message(format!("{task}: {message}"));
    }));
    options.ended = Some(Arc::new(move |outcome: &TaskOutcome| {
        if let Some(bar) = bars.lock().unwrap_or_else(PoisonError::into_inner).remove(&outcome.task) {
            bar.finish_and_clear();
        }
    }));
}

fn bar(total: Option<u64>) -> ProgressBar {
    let template = if total.is_some() { "{bar:24} {pos}/{len} {msg}" } else { "{spinner} {pos} {msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total.unwrap_or(0)).with_style(style)
}
