//! Users of a Redis server. Password hashes never arrive here: the host blanks them.

use hostler_sdk::Reply;
use hostler_sdk::prelude::*;

use crate::right::{Found, Level, Right};

/// Words that give everything, or the commands by which a user gives it to itself.
const EVERYTHING: [&str; 12] = [
    "+@all",
    "allcommands",
    "+@admin",
    "+@dangerous",
    "+acl",
    "+acl|setuser",
    "+config",
    "+config|set",
    "+module",
    "+module|load",
    "+debug",
    "+slaveof",
];
const NOTHING: [&str; 4] = ["-@all", "nocommands", "-@admin", "-@dangerous"];

/// One user.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) on: bool,
    pub(crate) nopass: bool,
    /// The rules for commands: the user's own, and those of its selectors.
    pub(crate) commands: Vec<String>,
}

pub(crate) async fn look(context: &Context, found: &mut Found) -> Result<(), TaskError> {
    let server = context.redis("server").await?;
    let list = server.query(["ACL", "LIST"]).await?;
    for line in list.array()? {
        let line = line.text()?;
        let Some(name) = line.split(' ').nth(1) else {
            return Err(TaskError::new("ACL LIST has a line without a user"));
        };
        let reply = server.query(["ACL", "GETUSER", name]).await?;
        if reply == Reply::Nil {
            // It was removed meanwhile.
            continue;
        }
        User::read(name, &reply)?.judge(found);
    }
    found.whole("redis");
    Ok(())
}

impl User {
    pub(crate) fn read(name: &str, reply: &Reply) -> Result<Self, TaskError> {
        let mut user = Self { name: name.into(), ..Self::default() };
        for (key, value) in reply.pairs()? {
            match key.as_str() {
                "flags" => {
                    let flags: Vec<String> = value.array()?.iter().map(Reply::text).collect::<Result<_, _>>()?;
                    user.on = flags.iter().any(|flag| flag == "on");
                    user.nopass = flags.iter().any(|flag| flag == "nopass");
                }
                "commands" => user.commands.push(value.text()?),
                "selectors" => {
                    for selector in value.array()? {
                        let rules = selector.pairs()?;
                        let commands = rules.iter().find(|(key, _)| key == "commands");
                        user.commands.extend(commands.map(|(_, commands)| commands.text()).transpose()?);
                    }
                }
                _ => {}
            }
        }
        Ok(user)
    }

    /// Whether a user has, or can give itself, every command. The last word holds, as Redis reads them.
    pub(crate) fn may_everything(&self) -> bool {
        self.commands.iter().any(|rules| {
            rules.split_whitespace().fold(false, |may, word| {
                let word = word.to_ascii_lowercase();
                (may || EVERYTHING.contains(&word.as_str())) && !NOTHING.contains(&word.as_str())
            })
        })
    }

    pub(crate) fn judge(&self, found: &mut Found) {
        if !self.on {
            return;
        }
        let name = self.name.as_str();
        let everything = self.may_everything();
        if everything {
            found.right(Right {
                level: Level::Everything,
                area: "redis",
                kind: "admin",
                name: self.name.clone(),
                means: "may send every command of the server, or give itself the right to".into(),
                remedy: format!("ACL SETUSER {name} -@admin -@dangerous"),
            });
        } else {
            found.right(Right {
                level: Level::Some,
                area: "redis",
                kind: "user",
                name: self.name.clone(),
                means: "is a user of the server".into(),
                remedy: format!("ACL DELUSER {name}"),
            });
        }
        if self.nopass {
            let what = if everything { "send every command" } else { "use it" };
            let finding = finding!(
                Severity::Warning,
                "redis-nopass",
                name,
                "this user needs no password: whoever reaches the port may {what}"
            )
            .remedy(format!("ACL SETUSER {name} resetpass >PASSWORD    -- then ACL SAVE or CONFIG REWRITE"));
            found.fault(format!("redis nopass {name}"), finding);
        } else if name == "default" && everything {
            let finding = finding!(
                Severity::Warning,
                "redis-default-user",
                name,
                "the user whose name everybody knows is on and may send every command: its password is all that is in between"
            )
            .remedy("give each client a user of its own with the commands it needs, then ACL SETUSER default off");
            found.fault("redis default-user default", finding);
        }
    }
}
