//! A Redis server: whether the user is let in, and what it lacks of what the tasks need.

use hostler_capability::Error;
use hostler_configuration::RedisResource;
use hostler_redis::Examination;

use super::{Examined, bad, good, unknown, wanted::Asked, warning};

pub(super) async fn examine(name: &str, short: &str, resource: &RedisResource, asked: &Asked) -> Vec<Examined> {
    match of_all(short, resource, asked).await {
        Ok(found) => {
            let mut examined = vec![good(name.into(), answers(&found, !asked.words.is_empty()))];
            if !found.untried.is_empty() {
                let untried = found.untried.join(", ");
                examined.push(unknown(
                    name,
                    format!("whether {} may call {untried} was not tried, since it may not ask ACL DRYRUN", found.user),
                    Some(format!("ACL SETUSER {} +acl|dryrun (Redis 7)", found.user)),
                ));
            }
            let lacks = found.needs.into_iter();
            examined.extend(lacks.map(|lack| warning(name, lack.problem, Some(lack.remedy))));
            examined
        }
        Err(error) => vec![bad(name.into(), in_words(&error), Some(remedy(&error, name)))],
    }
}

/// What is found for each grant, together.
async fn of_all(short: &str, resource: &RedisResource, asked: &Asked) -> Result<Examination, Error> {
    let nothing = Vec::new();
    let mut all = Examination::default();
    for words in asked.words.iter().chain(asked.words.is_empty().then_some(&nothing)) {
        let found = hostler_redis::examine(short, resource, words).await?;
        (all.user, all.version) = (found.user, found.version);
        for need in found.needs {
            if !all.needs.contains(&need) {
                all.needs.push(need);
            }
        }
        for name in found.untried {
            if !all.untried.contains(&name) {
                all.untried.push(name);
            }
        }
    }
    Ok(all)
}

fn answers(found: &Examination, asked: bool) -> String {
    let mut words = format!("Redis {} answers as the user {}", found.version, found.user);
    if asked && found.needs.is_empty() && found.untried.is_empty() {
        words.push_str(", and the user may do what its tasks need");
    }
    words
}

fn remedy(error: &Error, name: &str) -> String {
    match error {
        Error::Failed(failure) if failure.code == "NOAUTH" || failure.code == "WRONGPASS" => {
            format!("correct {name}.user and {name}.password_file; `hostler roles {name}` prints the user")
        }
        Error::Failed(failure) if failure.code == "NOPERM" => {
            format!("give the user what `hostler roles {name}` prints")
        }
        // The host's own words of a file or of the configuration say what to do.
        Error::Unavailable(problem) | Error::Invalid(problem) if is_of_configuration(problem, name) => {
            format!("correct [{name}] in the configuration, or the file that it names")
        }
        _ => format!("see whether the server runs and listens where {name}.url says, and is not behind a firewall"),
    }
}

fn is_of_configuration(problem: &str, name: &str) -> bool {
    let rest = problem.strip_prefix(name).map_or(problem, |rest| rest.trim_start_matches([':', ' ']));
    ["its password_file", "its root_certificates", "its url", "its user", "it has a user", "its certificate"]
        .iter()
        .any(|words| rest.starts_with(words))
}

/// An error of the contract, in words.
fn in_words(error: &Error) -> String {
    match error {
        Error::Denied(denial) => format!("refused by {}", denial.rule),
        Error::Invalid(problem) | Error::Unavailable(problem) => problem.clone(),
        Error::Failed(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}: {}{hint}", failure.code, failure.message)
        }
        Error::TimedOut(after) => format!("no answer within {after} ms"),
        Error::Limit(limit) => format!("the limit {limit} is used up"),
        Error::Stopped => "stopped".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_is_not_mended_by_starting_the_server() {
        let of = |words: &str| remedy(&Error::Unavailable(words.into()), "redis.a");
        assert!(of("redis.a: its password_file /x may be read by others").contains("correct [redis.a]"));
        assert!(of("redis.a: nobody listens there").contains("listens where redis.a.url says"));
    }
}
