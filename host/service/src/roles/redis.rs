//! A Redis user as an ACL line. Several different grants become a selector each: put together they would allow each
//! command on the keys of every other one.

use std::fmt::Write;

use hostler_capability::Grant;
use hostler_configuration::{RedisResource, redis_only_reads};
use hostler_policy::redis::{RedisAddress, RedisGrant};

use super::Needs;

pub(super) fn user(text: &mut String, resource: &RedisResource, needs: &Needs) {
    let name = resource.user.as_deref().unwrap_or("hostler");
    if resource.user.is_none() {
        let _ = writeln!(text, "# it has no user, and is the server's default one; write user = \"hostler\" at it");
    }
    let grants = needs.grants.iter().filter_map(|grant| match grant {
        // A binding is checked before; what is no grant gives nothing.
        Grant::Redis(words) => RedisGrant::parse(words).ok().map(|grant| grant.least_user()),
        _ => None,
    });
    let mut words: Vec<Vec<String>> = grants.collect();
    words.sort();
    words.dedup();
    let mut line = format!("ACL SETUSER {name} reset on >PASSWORD +command");
    let changes = |grant: &Grant| matches!(grant, Grant::Redis(words) if !redis_only_reads(words));
    if needs.grants.iter().any(changes) {
        text.push_str("# +acl|dryrun is for `hostler doctor`, which asks by it what it must not try; leave it out before Redis 7\n");
        line.push_str(" +acl|dryrun");
    }
    if RedisAddress::parse(&resource.url).is_ok_and(|address| address.database != 0) {
        line.push_str(" +select");
    }
    match words.as_slice() {
        [one] => append(&mut line, one),
        several => {
            text.push_str("# its tasks differ, so that each has a selector of its own, which Redis 7 has\n");
            for one in several {
                let mut selector = String::new();
                append(&mut selector, one);
                let _ = write!(line, " ({})", selector.trim_start());
            }
        }
    }
    let _ = writeln!(text, "# put the password in place of PASSWORD, and into the resource's password_file\n{line}");
}

fn append(line: &mut String, words: &[String]) {
    for word in words.iter().filter(|word| *word != "+command") {
        line.push(' ');
        line.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(grants: &[&str], user: Option<&str>, url: &str) -> String {
        let words = |text: &&str| Grant::Redis(text.split(' ').map(str::to_owned).collect());
        let needs = Needs { grants: grants.iter().map(words).collect(), ..Needs::default() };
        let resource = RedisResource { url: url.into(), user: user.map(str::to_owned), ..RedisResource::default() };
        let mut text = String::new();
        super::user(&mut text, &resource, &needs);
        text
    }

    #[test]
    fn one_grant_is_the_user_and_several_are_selectors() {
        let one = printed(&["+info", "+info"], Some("h"), "redis://cache1");
        assert!(one.ends_with("\nACL SETUSER h reset on >PASSWORD +command +info\n"), "{one}");
        let two = printed(&["+info", "+expire +scan %W~cache:* %R~*"], None, "redis://cache1/2");
        assert!(
            two.ends_with(
                "\nACL SETUSER hostler reset on >PASSWORD +command +acl|dryrun +select (+expire +scan %W~cache:* %R~*) (+info)\n"
            ),
            "{two}"
        );
        assert!(two.contains("user = \"hostler\""), "{two}");
    }
}
