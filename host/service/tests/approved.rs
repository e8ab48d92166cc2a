//! A run held to an approved plan: of a whole procedure, by a run of it or by a file, and only while it holds.

mod support;

use std::{fs, path::PathBuf, time::Duration};

use hostler_capability::Severity;
use hostler_service::{Approval, Course, VALID_FOR};
use support::{Place, of, plan, run};

/// Two tasks that change something and one that looks; `more` goes to the first.
fn configuration(more: &str) -> String {
    let mut text = String::new();
    for name in ["one", "two"] {
        text += &format!(
            "[directory.from-{name}]\npath = \"{{directory}}/from-{name}\"\n[directory.to-{name}]\npath = \"{{directory}}/to-{name}\"\n"
        );
    }
    text += "[tasks.two]\nplugin = \"backup-files\"\nbind = { source = [\"directory.from-two\"], destination = \"directory.to-two\" }\n\
             [tasks.look]\nplugin = \"example-empty\"\n\
             [procedures.weekly]\ntasks = [\"one\", \"look\", \"two\"]\n\
             [tasks.one]\nplugin = \"backup-files\"\n";
    let bind = "bind = { source = [\"directory.from-one\"], destination = \"directory.to-one\" }\n";
    text + if more.contains("bind") { "" } else { bind } + more
}

const PLUGINS: &[&str] = &["backup-files", "example-empty"];

fn place() -> Place {
    let place = Place::new();
    for name in ["from-one", "from-two", "to-one", "to-two"] {
        fs::create_dir(place.path().join(name)).expect("a directory");
        fs::write(place.path().join(name).join("file"), "contents".repeat(100)).expect("a file");
    }
    place
}

/// The archives in a directory.
fn archives(place: &Place, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path().join(name)).expect("it is there").flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "zst")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_run_of_a_planned_procedure_stands_for_all_of_it() {
    let place = place();
    let host = place.open(&configuration(""), PLUGINS);
    let first = plan(&host, "weekly").await;
    let later = plan(&host, "weekly").await;
    let approval = host.approved(&of(&first, "two").run_id).expect("it was planned");
    let runs: Vec<_> = approval.tasks.values().map(|task| task.run_id.clone()).collect();
    assert_eq!(runs, [of(&first, "one").run_id.clone(), of(&first, "two").run_id.clone()], "and not the later plan");
    assert_ne!(of(&later, "one").run_id, runs[0]);
    assert!(approval.changes_something() && approval.name == "weekly");
    let ran = run(&host, "weekly", Some(approval)).await;
    assert!(ran.worked(), "{ran:?}");
    for (task, to) in [("one", "to-one"), ("two", "to-two")] {
        assert_eq!(of(&ran, task).effects().applied, 2, "{ran:?}");
        assert_eq!(archives(&place, to).len(), 1);
        let planned: Vec<_> = of(&first, task).plan.effects().map(|planned| planned.effect.object.clone()).collect();
        let applied: Vec<_> = of(&ran, task).plan.effects().map(|planned| planned.effect.object.clone()).collect();
        assert_eq!(planned, applied, "exactly that");
    }
    let applied = host.approved(&of(&ran, "one").run_id).expect_err("that was no plan").to_string();
    assert!(applied.contains("it applied"), "{applied}");
    let looked = plan(&host, "look").await;
    let only_looks = host.approved(&looked.tasks[0].run_id).expect_err("it has no plan").to_string();
    assert!(only_looks.contains("only looks"), "{only_looks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changing_task_that_was_not_planned_is_not_started() {
    let place = place();
    let host = place.open(&configuration(""), PLUGINS);
    let one = plan(&host, "one").await;
    let ran = run(&host, "weekly", Some(host.approved(&one.tasks[0].run_id).expect("it was planned"))).await;
    assert_eq!(of(&ran, "one").course, Course::Done);
    assert_eq!(of(&ran, "look").course, Course::Done, "what only looks needs no plan");
    let two = of(&ran, "two");
    assert_eq!(two.course, Course::NotStarted);
    assert!(two.summary.contains("the approved plan of one does not have it"), "{}", two.summary);
    assert!(archives(&place, "to-two").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_holds_only_while_nothing_it_was_made_from_has_changed() {
    for (more, said) in [
        ("settings = { keep = 3 }\n", "the setting `keep`"),
        (
            "bind = { source = [\"directory.from-one\"], destination = \"directory.to-two\" }\n",
            "`directory.to-one`, bound to `destination`",
        ),
        (
            "bind = { source = [\"directory.from-one\"], destination = { resource = \"directory.to-one\", access = \"read\" } }\n",
            "what is granted of `destination`",
        ),
    ] {
        let place = place();
        let planned = plan(&place.open(&configuration(""), PLUGINS), "weekly").await;
        let host = place.open(&configuration(more), &[]);
        let ran = run(&host, "weekly", Some(host.approved(&of(&planned, "two").run_id).expect("it was planned"))).await;
        let one = of(&ran, "one");
        assert_eq!(one.course, Course::NotStarted, "{one:?}");
        assert!(one.summary.contains(said) && one.summary.contains("hostler plan weekly"), "{}", one.summary);
        assert!(archives(&place, "to-one").is_empty());
        assert_eq!(of(&ran, "two").course, Course::Done, "the other's plan holds: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_stands_for_the_plan_too() {
    let place = place();
    let host = place.open(&configuration(""), PLUGINS);
    let planned = plan(&host, "weekly").await;
    let text = Approval::of(&planned, VALID_FOR).to_text();
    let ran = run(&host, "weekly", Some(Approval::read(&text).expect("as it was written"))).await;
    assert!(ran.worked() && archives(&place, "to-one").len() == 1 && archives(&place, "to-two").len() == 1, "{ran:?}");
    let elsewhere = text.replace("to-one", "elsewhere").replace("from-one", "elsewhere");
    let refused = Approval::read(&elsewhere).expect("it is a plan, of something else");
    let ran = run(&host, "one", Some(refused)).await;
    assert_eq!(of(&ran, "one").course, Course::NotStarted, "{ran:?}");
    let expired = Approval::read(&Approval::of(&planned, Duration::ZERO).to_text()).expect_err("its time is over");
    assert!(expired.to_string().contains("expired"), "{expired}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_was_not_planned_is_refused_and_named() {
    let place = place();
    let host = place.open(&configuration("settings = { keep = 1 }\n"), PLUGINS);
    let planned = plan(&host, "one").await;
    // An archive of before: now there is one to remove, which the plan does not have.
    let applied = run(&host, "one", None).await;
    assert!(applied.worked(), "{applied:?}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let other = place.path().join("to-one/from-one-20200101T000000Z.tar.zst");
    fs::copy(&archives(&place, "to-one")[0], &other).expect("a copy");
    let approval = host.approved(&planned.tasks[0].run_id).expect("it was planned");
    let ran = run(&host, "one", Some(approval)).await;
    assert!(other.exists(), "nobody approved that it goes");
    let troubles = &ran.tasks[0].troubles;
    assert!(ran.verdict() >= Severity::Unknown, "{ran:?}");
    assert!(
        troubles.iter().any(|trouble| trouble.contains("approved plan") && trouble.contains("20200101T000000Z")),
        "it is named: {ran:?}"
    );
}
