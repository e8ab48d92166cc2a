//! fail2ban: alive, with the jails that are expected, and reloaded only after its configuration was found right. A reload
//! of a broken configuration skips the broken jail and says so in a log, after which nobody is banned.

use hostler_sdk::prelude::*;
use hostler_sdk::shell::Outcome;

use crate::Settings;

/// How a program ended, and what it said.
enum Said {
    Planned,
    Ended(bool, String),
}

async fn ask(context: &Context, arguments: &[&str], timeout: Duration) -> Result<Said, TaskError> {
    let program = context.program("fail2ban").arguments(arguments.iter().copied());
    Ok(match program.timeout(timeout).run().await? {
        Outcome::Planned => Said::Planned,
        Outcome::Completed(completed) => {
            let text = [completed.stdout, completed.stderr].concat();
            Said::Ended(completed.exit_code == Some(0), String::from_utf8_lossy(&text).into_owned())
        }
    })
}

/// What it says of itself in the summary; nothing where it is not bound.
pub(crate) async fn look(context: &Context, settings: &Settings) -> Result<Option<String>, TaskError> {
    let (alive, said) = match ask(context, &["status"], settings.timeout).await {
        Ok(Said::Ended(alive, said)) => (alive, said),
        Ok(Said::Planned) => {
            not_asked(
                &TaskError::new("its status was planned and not read: its grant calls it a change")
                    .remedy("write effect = \"reads\" at the form [\"status\"] of the program"),
            );
            return Ok(Some("fail2ban not asked".into()));
        }
        Err(error) if error.is_unbound() => return Ok(None),
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            not_asked(&error);
            return Ok(Some("fail2ban not asked".into()));
        }
    };
    if !alive {
        finding!(
            Severity::Critical,
            "fail2ban-down",
            "fail2ban",
            "it does not answer, so that nobody is banned: {}",
            telling(&said)
        )
        .remedy("systemctl start fail2ban; journalctl -u fail2ban -n 50")
        .report();
        return Ok(Some("fail2ban down".into()));
    }
    let alive = jails(&said);
    let missing = missing(&alive, &settings.jails);
    let wanted = match settings.fail2ban_reload.as_str() {
        "always" => true,
        "missing" => !missing.is_empty(),
        _ => false,
    };
    let mut alive = alive;
    if wanted
        && reload(context, settings).await?
        && let Said::Ended(true, said) = ask(context, &["status"], settings.timeout).await?
    {
        alive = jails(&said);
    }
    report(&alive, &settings.jails);
    Ok(Some(format!("{} alive", counted(alive.len(), "jail"))))
}

fn not_asked(error: &TaskError) {
    error.finding("fail2ban-not-asked", "fail2ban").report();
}

/// Checks the configuration, and reloads; whether it was reloaded.
async fn reload(context: &Context, settings: &Settings) -> Result<bool, TaskError> {
    match ask(context, &["-t"], settings.timeout).await {
        Ok(Said::Ended(true, _)) => {}
        // Where the check is called a change too, it stands in the plan with the reload.
        Ok(Said::Planned) => {}
        Ok(Said::Ended(false, said)) => {
            finding!(
                Severity::Critical,
                "fail2ban-configuration-invalid",
                "fail2ban",
                "it was not reloaded, since its configuration is broken: {}",
                telling(&said)
            )
            .remedy("fail2ban-client -t")
            .report();
            return Ok(false);
        }
        Err(error) if error.ends_the_run() => return Err(error),
        Err(error) => {
            not_asked(&error);
            return Ok(false);
        }
    }
    let _step = context.step("reload fail2ban, whose configuration was found right", 1, 0)?;
    match ask(context, &["reload"], settings.timeout).await {
        Ok(Said::Planned) => Ok(false),
        Ok(Said::Ended(true, _)) => Ok(true),
        Ok(Said::Ended(false, said)) => {
            finding!(
                Severity::Critical,
                "fail2ban-reload-failed",
                "fail2ban",
                "it was not reloaded: {}",
                telling(&said)
            )
            .remedy("fail2ban-client reload; journalctl -u fail2ban -n 50")
            .report();
            Ok(false)
        }
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => {
            not_asked(&error);
            Ok(false)
        }
    }
}

/// The names behind `Jail list:`.
pub(crate) fn jails(said: &str) -> Vec<String> {
    let list = said.lines().find_map(|line| line.split_once("Jail list:"));
    let names = list.map_or("", |(_, names)| names).split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn missing<'a>(alive: &[String], expected: &'a [String]) -> Vec<&'a str> {
    if expected.is_empty() && alive.is_empty() {
        return vec!["any jail"];
    }
    expected.iter().map(String::as_str).filter(|jail| !alive.iter().any(|one| one == jail)).collect()
}

pub(crate) fn report(alive: &[String], expected: &[String]) {
    Metric::gauge("fail2ban_jails", alive.len() as f64).report();
    for jail in missing(alive, expected) {
        let there = if alive.is_empty() { "none is".into() } else { format!("alive are {}", alive.join(", ")) };
        finding!(Severity::Critical, "jail-missing", jail, "this jail of fail2ban is not alive; {there}")
            .remedy("fail2ban-client -t, then fail2ban-client reload; is it enabled in jail.local?")
            .report();
    }
}

/// The line that says most.
pub(crate) fn telling(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.contains("ERROR")).or_else(|| lines().next_back()).unwrap_or("it said nothing");
    // Its own time and process stand before.
    line.rsplit_once("ERROR").map_or(line, |(_, rest)| rest.trim()).chars().take(300).collect()
}
