//! system-documentation on a real tree in a real git repository, beside the programs of this machine.

use std::{fs, path::Path, process::Command};

use hostler_tests::Hostler;

const WELL: &str = "---\nowner: ada\nlast-reviewed: {today}\n---\n# Runbook\n\nSee [the other](other.md).\n\n```bash\nls -l | sort\n```\n";
/// As the maintenance guide has its fences: each is closed by marks with a word behind them.
const SICK: &str = "# Maintenance\n\nLast Updated: 2025-01-21 20:34\n\n[scripts](scripts/archive.sql)\n\n```bash\nno-such-program-here --now\n```typescript\n\n```yaml\na: 1\n```typescript\n";

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn git(directory: &Path, arguments: &[&str], date: &str) {
    let status = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=ada", "-c", "user.email=ada@shop.example"])
        .args(arguments)
        .env("GIT_COMMITTER_DATE", date)
        .env("GIT_AUTHOR_DATE", date)
        .output()
        .expect("git");
    assert!(status.status.success(), "{status:?}");
}

fn host(more: &str) -> Hostler {
    let host = Hostler::new(&format!(
        "[directory.runbooks]\npath = \"{{directory}}/runbooks\"\n[directory.bin]\npath = \"/usr/bin\"\n\
         [program.git]\npath = \"/usr/bin/git\"\nallow = [{{ arguments = [\"-c\", \"safe.directory=*\", \"-c\", \"core.quotePath=false\", \"-C\", \"{{path}}\", \"log\", \"--format=@%ct\", \"--name-only\", \"--relative\"], effect = \"reads\" }}]\n\
         [tasks.task]\nplugin = \"system-documentation\"\nbind.documents = [\"directory.runbooks\"]\nbind.programs = [\"directory.bin\"]\n{more}\n"
    ));
    host.install(&["system-documentation"]);
    fs::create_dir(host.path().join("runbooks")).expect("a directory");
    host
}

fn write(host: &Hostler, name: &str, text: &str) {
    let path = host.path().join("runbooks").join(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, text).expect("a document");
}

fn found(host: &Hostler, code: i32) -> Vec<String> {
    let run = host.run(&["run", "task", "--format", "json"]);
    assert_eq!(run.code, code, "{run:?}");
    run.findings("task")
}

#[test]
fn a_runbook_that_is_kept_is_well_and_the_guides_own_form_is_not() {
    let host = host("");
    write(&host, "well.md", &WELL.replace("{today}", &today()));
    write(&host, "other.md", &WELL.replace("{today}", &today()).replace("other.md", "well.md#part"));
    assert!(found(&host, 0).is_empty());
    write(&host, "guide.md", SICK);
    write(&host, "node_modules/x/README.md", SICK);
    assert_eq!(
        found(&host, 2),
        [
            "critical review-overdue runbooks/guide.md",
            "warning owner-missing runbooks/guide.md",
            "warning link-dead runbooks/guide.md",
            "warning fence-not-closed runbooks/guide.md",
            "warning command-missing runbooks/guide.md",
        ]
    );
    let run = host.run(&["run", "task", "--format", "json"]);
    assert!(run.stdout.contains("no-such-program-here (line 8)"), "{run:?}");
    assert!(run.stdout.contains("marks with a word behind them on line 9"), "{run:?}");
}

#[test]
fn git_tells_how_old_a_document_without_a_day_is_and_when_a_picture_was_drawn() {
    let host = host("bind.git = \"program.git\"\nsettings.require_owner = false");
    let runbooks = host.path().join("runbooks");
    git(&runbooks, &["init", "-q"], "");
    for (name, text) in [("a.md", "# A"), ("net.mmd", "graph"), ("net.svg", "<svg/>")] {
        write(&host, name, text);
    }
    git(&runbooks, &["add", "."], "");
    git(&runbooks, &["commit", "-qm", "old"], "2020-01-01T00:00:00Z");
    assert_eq!(found(&host, 2), ["critical review-overdue runbooks/a.md"]);
    write(&host, "a.md", "# A, read again");
    write(&host, "net.mmd", "graph LR");
    git(&runbooks, &["commit", "-qam", "new"], &format!("{}T00:00:00Z", today()));
    assert_eq!(found(&host, 1), ["warning diagram-stale runbooks/net.svg"]);
    write(&host, "net.svg", "<svg>LR</svg>");
    git(&runbooks, &["commit", "-qam", "drawn"], &format!("{}T00:00:00Z", today()));
    assert!(found(&host, 0).is_empty());
}

#[test]
fn what_nothing_tells_is_unknown() {
    let empty = host("");
    assert_eq!(found(&empty, 3), ["unknown no-documents runbooks"]);
    let bare = host("bind.git = \"program.git\"\nsettings.require_owner = false");
    write(&bare, "a.md", "# A");
    assert_eq!(found(&bare, 3), ["unknown git-failed runbooks", "unknown review-unknown runbooks/a.md"]);
}
