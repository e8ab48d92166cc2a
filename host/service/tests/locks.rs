//! The lock of a run: whoever does not get it is told who has it.

mod support;

use std::sync::Arc;

use hostler_capability::Severity;
use hostler_service::{Course, Named};
use support::{Place, run};

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_lock_is_named_by_run_task_and_process() {
    let place = Place::new();
    let host = place.open("[tasks.nothing]\nplugin = \"example-empty\"\n", &["example-empty"]);
    let Ok(Named::Task(task)) = host.named("nothing") else { panic!("it is a task") };
    let lock = host.job(task).unwrap_or_else(|error| panic!("{error}")).lock();
    let held = host.record.locks_of("20261123T224856-597bd715", "other").acquire(&lock).expect("nobody has it");
    let refused = run(&host, "nothing", None).await;
    assert_eq!((refused.tasks[0].course, refused.verdict()), (Course::NotStarted, Severity::Unknown));
    let words = &refused.tasks[0].summary;
    let process = format!("process {}", std::process::id());
    for said in ["run 20261123T224856-597bd715", "of task other", process.as_str(), "when that one has ended"] {
        assert!(words.contains(said), "{said} is missing in {words}");
    }
    drop(held);
    assert!(run(&Arc::clone(&host), "nothing", None).await.worked());
}
