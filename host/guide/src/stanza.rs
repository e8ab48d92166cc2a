//! One task of the configuration, and the resources that it needs.

use std::{collections::BTreeMap, path::Path};

use hostler_manifest::{Effect, Plugin, ProgramRequest, Request};

use crate::{
    Found, Rhythm, Server,
    answers::{Answer, Bound},
};

/// A task, bound or not.
#[derive(Debug)]
pub(crate) struct Stanza {
    pub task: String,
    pub plugin: String,
    pub summary: String,
    /// The guide's items that it answers.
    pub answers: Vec<String>,
    pub rhythm: Rhythm,
    /// Request, whether it takes many, resources.
    pub bindings: Vec<(String, bool, Vec<String>)>,
    /// Optional requests that are not bound, with the reason.
    pub unbound: Vec<(String, String)>,
    /// Why it cannot be bound.
    pub lacks: Vec<String>,
    /// What the operator has to decide.
    pub decide: Option<String>,
    /// Settings that have to be given, with what they mean.
    pub asks: Vec<(String, String)>,
    pub settings: BTreeMap<String, toml::Value>,
    pub timeout: Option<String>,
}

impl Stanza {
    pub(crate) fn new(task: String, plugin: &Plugin, rhythm: Rhythm, answer: &Answer) -> Self {
        Self {
            task,
            plugin: plugin.name.clone(),
            summary: plugin.summary.clone(),
            answers: plugin.guide.clone(),
            rhythm,
            bindings: vec![],
            unbound: vec![],
            lacks: vec![],
            decide: answer.decide.clone(),
            asks: vec![],
            settings: answer.settings.clone(),
            timeout: answer.timeout.clone(),
        }
    }

    /// Whether it can run as it stands.
    pub(crate) fn is_live(&self) -> bool {
        self.lacks.is_empty() && self.decide.is_none() && self.asks.is_empty()
    }

    /// Why it cannot.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let asked = self.asks.iter().map(|(name, meaning)| format!("settings.{name} has to be given: {meaning}"));
        self.lacks.iter().cloned().chain(self.decide.clone()).chain(asked).collect()
    }
}

/// A resource that a request is bound to.
pub(crate) struct Bindable {
    /// `KIND.NAME`, or the host's own.
    pub name: String,
    /// Its section; none for the host's own.
    pub text: Option<String>,
    /// A directory that is to be made.
    pub own: Option<String>,
}

/// What a request is bound to, or why there is nothing.
pub(crate) fn resource_of(
    request: &Request,
    bound: &Bound,
    found: &Found,
    server: Option<&str>,
) -> Result<Vec<Bindable>, String> {
    match request {
        Request::Machine(_) | Request::History(_) => {
            Ok(vec![Bindable { name: request.kind().into(), text: None, own: None }])
        }
        Request::Postgres(_) => {
            let none = "no PostgreSQL answers here; name one with --postgres \"host=… dbname=… user=hostler\"";
            servers("postgres", "dsn", &found.postgres, request.many(), server, none)
        }
        Request::Redis(_) => {
            let none = "no Redis answers here; name one with --redis redis://HOST:PORT";
            servers("redis", "url", &found.redis, request.many(), server, none)
        }
        Request::Directory(_) => directories(bound, found, request.many()),
        Request::Program(program) => self::program(program, bound, found),
        Request::Endpoint(_) => endpoints(bound, found, request.many()),
    }
}

fn servers(
    kind: &str,
    key: &str,
    found: &[Server],
    many: bool,
    wanted: Option<&str>,
    none: &str,
) -> Result<Vec<Bindable>, String> {
    let chosen: Vec<&Server> = match wanted.and_then(|wanted| found.iter().find(|server| server.name == wanted)) {
        Some(server) if !many => vec![server],
        _ if many => found.iter().collect(),
        _ => found.first().into_iter().collect(),
    };
    if chosen.is_empty() {
        return Err(none.to_owned());
    }
    Ok(chosen
        .into_iter()
        .map(|server| Bindable {
            name: format!("{kind}.{}", server.name),
            text: Some(format!("{key} = {}\n", quoted(&server.address))),
            own: None,
        })
        .collect())
}

fn directories(bound: &Bound, found: &Found, many: bool) -> Result<Vec<Bindable>, String> {
    if let Some(own) = &bound.own {
        let name = format!("directory.{}", own.replace('/', "-"));
        return Ok(vec![Bindable { name, text: Some(format!("path = {}\n", quoted(own))), own: Some(own.clone()) }]);
    }
    if bound.directories.is_empty() {
        return Err("which directory is meant is yours to say".into());
    }
    let there = bound.directories.iter().filter_map(|path| found.path(path).map(|there| (path, there)));
    let there = there.filter(|(_, path)| path.is_dir()).take(if many { usize::MAX } else { 1 });
    let made: Vec<Bindable> = there
        .map(|(path, there)| Bindable {
            name: format!("directory.{}", name_of(path)),
            text: Some(format!("path = {}\n", quoted(&there.display().to_string()))),
            own: None,
        })
        .collect();
    if made.is_empty() { Err(format!("{} is not there", bound.directories.join(" or "))) } else { Ok(made) }
}

/// `/var/log/nginx` as `var-log-nginx`.
fn name_of(path: &str) -> String {
    let letters =
        path.trim_matches('/').chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    letters.collect::<String>().to_lowercase()
}

fn program(request: &ProgramRequest, bound: &Bound, found: &Found) -> Result<Vec<Bindable>, String> {
    if request.program.is_empty() {
        return Err("which program is meant is yours to say".into());
    }
    let file = Path::new(&request.program).file_name().and_then(|name| name.to_str()).unwrap_or(&request.program);
    let path = found.program(file).ok_or_else(|| format!("{file} is not on this machine"))?;
    let effect = match request.effect {
        Effect::Reads => "reads",
        Effect::Changes => "changes",
    };
    let mut text = format!("path = {}\nallow = [\n", quoted(&path.display().to_string()));
    let forms = request.reads.iter().map(|form| (form, "reads"));
    for (form, effect) in forms.chain(request.arguments.iter().map(|form| (form, effect))) {
        let words: Vec<String> = form.iter().map(|word| quoted(word)).collect();
        text.push_str(&format!("  {{ arguments = [{}], effect = \"{effect}\" }},\n", words.join(", ")));
    }
    text.push_str("]\n");
    if !request.environment.is_empty() {
        let names: Vec<String> = request.environment.iter().map(|name| quoted(name)).collect();
        text.push_str(&format!("environment = [{}]\n", names.join(", ")));
    }
    if bound.network {
        text.push_str("network = true\n");
    }
    if let Some(confine) = &bound.confine {
        text.push_str(&format!("confine = \"{confine}\"\n"));
    }
    Ok(vec![Bindable { name: format!("program.{}", name_of(file)), text: Some(text), own: None }])
}

fn endpoints(bound: &Bound, found: &Found, many: bool) -> Result<Vec<Bindable>, String> {
    let (urls, what) = match bound.endpoints.as_deref() {
        Some("http") => (&found.http, "web server answers"),
        Some("tls") => (&found.tls, "server listens for TLS"),
        _ => return Err("which endpoint is meant is yours to say".into()),
    };
    if urls.is_empty() {
        return Err(format!("no {what} on this machine's usual ports"));
    }
    let urls = urls.iter().take(if many { usize::MAX } else { 1 });
    Ok(urls
        .map(|url| {
            let port = url.trim_end_matches('/').rsplit(':').next().unwrap_or_default();
            let scheme = url.split(':').next().unwrap_or_default();
            let name = format!("endpoint.{scheme}-{port}");
            let text = format!("url = {}\nnetworks = [\"127.0.0.0/8\"]\n", quoted(url));
            Bindable { name, text: Some(text), own: None }
        })
        .collect())
}

/// A text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_only_read_are_told_from_those_that_change() {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(root.path().join("usr/sbin")).expect("a directory");
        std::fs::write(root.path().join("usr/sbin/nginx"), "").expect("a file");
        let request = ProgramRequest {
            program: "nginx".into(),
            arguments: vec![vec!["-s".into(), "reload".into()]],
            reads: vec![vec!["-t".into()]],
            ..ProgramRequest::default()
        };
        let found = Found { root: root.path().to_owned(), ..Found::default() };
        let made = program(&request, &Bound::default(), &found).expect("it is there");
        let text = made[0].text.as_deref().expect("a section");
        assert!(text.contains("{ arguments = [\"-t\"], effect = \"reads\" }"), "{text}");
        assert!(text.contains("{ arguments = [\"-s\", \"reload\"], effect = \"changes\" }"), "{text}");
    }
}
