//! A call held to the grant: what is asked, in words for the record, and what it needs.
//!
//! Nothing is opened here. A refusal names the program and the pattern, never an argument.

use hostler_capability::{Binding, Error, Grant, GuestPath, GuestPathError, Resource, RunContext, Target, guest_path};
use hostler_configuration::ProgramResource;
use hostler_manifest::{Access, Effect};
use hostler_policy::program::{self, Argument, ArgumentKind};
use hostler_world::shell::{self, Command};

/// A program that is bound to a request.
pub(crate) struct Program {
    pub(crate) request: String,
    /// The resource's name.
    pub(crate) name: String,
    pub(crate) resource: ProgramResource,
    /// Whether its changing forms are granted.
    pub(crate) changes: bool,
}

impl Program {
    pub(crate) fn new(binding: &Binding) -> Option<Self> {
        let Grant::Program { changes } = binding.grant else { return None };
        let target = binding.targets.first()?;
        let Resource::Program(resource) = &target.resource else { return None };
        let (request, name) = (binding.request.clone(), target.name.clone());
        Some(Self { request, name, resource: resource.clone(), changes })
    }

    /// `program.NAME`, as the operator knows it.
    pub(crate) fn label(&self) -> String {
        format!("program.{}", self.name)
    }
}

/// An argument, decided.
pub(crate) enum Asked<'a> {
    Text(String),
    /// Text before it, and a path that exists.
    Path(String, GuestPath<'a>),
    /// Text before it, and a path that the program makes.
    Output(String, GuestPath<'a>),
}

/// A call that the grant covers.
pub(crate) struct Question<'a> {
    pub(crate) program: &'a Program,
    pub(crate) arguments: Vec<Asked<'a>>,
    /// Where stdout goes, if to a file.
    pub(crate) file: Option<GuestPath<'a>>,
    pub(crate) directory: Option<GuestPath<'a>>,
    pub(crate) connect_to: Option<&'a Target>,
    pub(crate) changes: bool,
    /// The program's name and the form's patterns: parameters are out.
    pub(crate) operation: String,
    /// The paths.
    pub(crate) object: String,
    pub(crate) rule: String,
}

/// Holds a call to the grant.
///
/// # Errors
/// `denied` or `invalid`, recorded.
pub(crate) fn decide<'a>(
    programs: &'a [Program],
    bindings: &'a [Binding],
    context: &RunContext,
    command: &Command,
    file: Option<&str>,
) -> Result<Question<'a>, Error> {
    let request = shortened(&command.program);
    let program = programs.iter().find(|program| program.request == command.program);
    let program = program.ok_or_else(|| context.deny(request, "run", "no program is bound to this request"))?;
    let deny = |operation: &str, rule: &str| context.deny(&program.request, operation, rule);

    let forms: Vec<(&[String], Effect)> =
        program.resource.allow.iter().map(|form| (form.arguments.as_slice(), form.effect)).collect();
    let arguments: Vec<Argument> = command.arguments.iter().map(argument).collect();
    let matched = program::decide(&forms, &arguments).map_err(|refusal| {
        deny(&format!("{} with {} arguments", program.name, arguments.len()), &refusal.to_string())
    })?;
    let patterns = forms[matched.index].0;
    let mut operation = [std::slice::from_ref(&program.name), patterns].concat().join(" ");

    for (name, value) in &command.environment {
        if !program.resource.environment.contains(name) {
            let rule = format!("the variable {} is not in the program's environment = [...]", shortened(name));
            return Err(deny(&operation, &rule));
        }
        if value.contains('\0') {
            return Err(Error::Invalid(format!("the variable {name} has a NUL in it")));
        }
    }

    let mut objects = Vec::new();
    let mut asked = Vec::with_capacity(arguments.len());
    for (argument, kind) in arguments.into_iter().zip(matched.kinds) {
        let (before, path) = match argument {
            Argument::Text(text) => {
                asked.push(Asked::Text(text));
                continue;
            }
            Argument::Path(path) => (String::new(), path),
            Argument::TextPath(before, path) => (before, path),
        };
        let output = kind == ArgumentKind::Output;
        let place = locate(bindings, context, program, &operation, &path, output)?;
        objects.push(place.shown());
        asked.push(if output { Asked::Output(before, place) } else { Asked::Path(before, place) });
    }
    let file = file.map(|path| locate(bindings, context, program, &operation, path, true)).transpose()?;
    if let Some(place) = &file {
        operation.push_str(" > {output}");
        objects.push(place.shown());
    }
    let directory = command.working_directory.as_deref();
    let directory = directory.map(|path| locate(bindings, context, program, &operation, path, false)).transpose()?;
    if let Some(place) = &directory
        && place.access == Access::Write
        && !place.directory.trust_contents
    {
        let rule = format!(
            "the task writes directory.{0}, and a program may be led by what lies in its working directory: only \
                 with trust_contents = true at directory.{0}",
            place.resource
        );
        return Err(deny(&operation, &rule));
    }
    let connect_to = command.connect_to.as_deref().map(|name| server(bindings, name)).transpose();
    let connect_to = connect_to.map_err(|rule| deny(&operation, rule))?;

    let makes = file.is_some() || asked.iter().any(|argument| matches!(argument, Asked::Output(..)));
    let changes = makes || matched.effect == Effect::Changes;
    if changes && !program.changes {
        let rule = if makes && matched.effect == Effect::Reads {
            "a file that is made is a change, and the grant of this request is for reading forms alone"
        } else {
            "this form changes, and the grant of this request is for reading forms alone"
        };
        return Err(deny(&operation, rule));
    }
    let object = if objects.is_empty() { program.label() } else { objects.join(" ") };
    let rule = format!("{} allow[{}]", program.label(), matched.index);
    Ok(Question { program, arguments: asked, file, directory, connect_to, changes, operation, object, rule })
}

fn argument(argument: &shell::Argument) -> Argument {
    match argument {
        shell::Argument::Text(text) => Argument::Text(text.clone()),
        shell::Argument::Path(path) => Argument::Path(path.clone()),
        shell::Argument::TextPath((text, path)) => Argument::TextPath(text.clone(), path.clone()),
    }
}

fn locate<'a>(
    bindings: &'a [Binding],
    context: &RunContext,
    program: &Program,
    operation: &str,
    path: &str,
    output: bool,
) -> Result<GuestPath<'a>, Error> {
    let place = guest_path(bindings, path).map_err(|problem| match problem {
        GuestPathError::Relative | GuestPathError::Escape => Error::Invalid(format!("{}: {problem}", shortened(path))),
        _ => context.deny(&program.request, operation, &problem.to_string()),
    })?;
    if output && place.access != Access::Write {
        let rule = format!("directory.{} is granted with access = \"read\"", place.resource);
        return Err(context.deny(&program.request, operation, &rule));
    }
    if output && place.names.is_empty() {
        return Err(Error::Invalid(format!("{}: an output lies below the bound directory", place.shown())));
    }
    Ok(place)
}

/// The server of a request of kind postgres or redis; `REQUEST/TARGET` where it takes many.
fn server<'a>(bindings: &'a [Binding], name: &str) -> Result<&'a Target, &'static str> {
    let (request, target) = name.split_once('/').map_or((name, None), |(request, target)| (request, Some(target)));
    let binding = bindings
        .iter()
        .find(|binding| binding.request == request && matches!(binding.grant, Grant::Postgres(_) | Grant::Redis(_)))
        .ok_or("connect-to names no request of kind postgres or redis that is bound")?;
    match target {
        None if binding.many => Err("connect-to names a request that takes many: write REQUEST/TARGET"),
        None => binding.targets.first().ok_or("nothing is bound to the request of connect-to"),
        Some(target) => {
            let found = binding.targets.iter().find(|bound| bound.name == target);
            found.ok_or("connect-to names a target that is not bound")
        }
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(128)]
}
