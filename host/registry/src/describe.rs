//! A request in words, field by field, for whoever has to consent to it.

use hostler_configuration::{DEFAULT_CONNECTIONS, Grant, grant_of};
use hostler_manifest::{Access, Effect, Request};

/// What a request asks for: the names of its fields, and their values as text. Empty fields are left out.
pub fn describe(request: &Request) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    let mut list = |name, entries: &[String]| {
        if !entries.is_empty() {
            fields.push((name, entries.join(", ")));
        }
    };
    match request {
        Request::Postgres(request) => {
            list("read", &request.read);
            list("write", &request.write);
            list("statements", &request.statements);
            list("call", &request.call);
            list("functions", &request.functions);
            list("settings", &request.settings);
            list("databases", &request.databases);
            list("privileges", &request.privileges);
            let connections = request.connections.unwrap_or(DEFAULT_CONNECTIONS);
            if connections != DEFAULT_CONNECTIONS {
                list("connections", &[connections.to_string()]);
            }
        }
        Request::Redis(request) => list("allow", &request.allow),
        Request::Directory(request) => {
            list("access", &[if request.access == Access::Write { "write" } else { "read" }.to_owned()]);
        }
        Request::Program(request) => {
            list("program", std::slice::from_ref(&request.program));
            let forms = |forms: &[Vec<String>]| forms.iter().map(|form| form.join(" ")).collect::<Vec<String>>();
            list("arguments", &forms(&request.arguments));
            list("reads", &forms(&request.reads));
            list("environment", &request.environment);
            list("effect", &[if request.effect == Effect::Reads { "reads" } else { "changes" }.to_owned()]);
        }
        Request::Endpoint(_) => {
            if let Grant::Endpoint(methods) = grant_of(request) {
                list("methods", &methods);
            }
        }
        Request::Machine(_) => {}
        Request::History(request) => list("tasks", &request.tasks),
    }
    if request.many() {
        fields.push(("many", "several resources".into()));
    }
    if request.optional() {
        fields.push(("optional", "works without it".into()));
    }
    fields
}
