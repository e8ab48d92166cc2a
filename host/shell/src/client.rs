//! A call from the policy to the program's end.

use std::{ffi::OsString, pin::Pin, sync::Arc, time::Duration};

use hostler_capability::{Binding, Call, CapabilityError, Effect, Error, RunContext, Verdict, completion, failed};
use hostler_world::shell::{Command, Completed, Outcome, OutputTarget};

use crate::{
    connect,
    drive::{self, Done},
    grant::{self, Asked, Program, Question},
    launch::{Launch, Shown},
    output::Output,
    place::{self, Opened},
    process::{Ended, Process},
    scrub::{Scrub, Scrubbing},
    sink::{self, Sink},
    stream,
    wall::{self, Ready, Walls},
};

/// How a streamed program ended, once it has.
pub(crate) type Completing = Pin<Box<dyn Future<Output = wasmtime::Result<Result<Completed, Error>>> + Send>>;

/// The programs of one run.
pub(crate) struct Client {
    pub(crate) context: Arc<RunContext>,
    bindings: Vec<Binding>,
    programs: Vec<Program>,
    walls: Arc<Walls>,
}

/// The shortest value of an operator's variable that no plugin reads in what the program says.
const SECRET_VARIABLE: usize = 8;

/// A program ready to start, and what becomes of its outputs.
struct Prepared {
    launch: Launch,
    outputs: Vec<Output>,
    file: Option<Output>,
    scrub: Scrub,
}

impl Client {
    /// The programs that a run's bindings name.
    ///
    /// # Errors
    /// Where a pattern of a program is wrong.
    pub(crate) fn new(
        bindings: &[Binding],
        context: &Arc<RunContext>,
        walls: &Arc<Walls>,
    ) -> Result<Self, CapabilityError> {
        let programs: Vec<Program> = bindings.iter().filter_map(Program::new).collect();
        for program in &programs {
            for (index, form) in program.resource.allow.iter().enumerate() {
                hostler_policy::program::check_form(&form.arguments).map_err(|problem| CapabilityError::Resource {
                    resource: program.label(),
                    problem: format!("allow[{index}]: {problem}"),
                })?;
            }
        }
        Ok(Self { context: context.clone(), bindings: bindings.to_vec(), programs, walls: walls.clone() })
    }

    /// Runs a program to its end, or plans it.
    ///
    /// # Errors
    /// As the contract has them.
    pub(crate) async fn run(
        &self,
        command: Command,
        stdin: Option<tokio::sync::mpsc::Receiver<Vec<u8>>>,
        target: OutputTarget,
    ) -> Result<Outcome, Error> {
        let file = match &target {
            OutputTarget::Capture => None,
            OutputTarget::File(path) => Some(path.as_str()),
        };
        let question = grant::decide(&self.programs, &self.bindings, &self.context, &command, file)?;
        let number = match question.changes.then(|| self.context.effect(effect(&question))).transpose()? {
            Some(Verdict::Plan) => return Ok(Outcome::Planned),
            Some(Verdict::Apply(number)) => Some(number),
            None => None,
        };
        let result = self.perform(&question, &command, stdin).await;
        if let Some(number) = number {
            let outcome = match &result {
                Ok(completed) if completed.exit_code == Some(0) => Ok(None),
                // A program that changes and says that it failed did not do what was planned.
                Ok(completed) => Err(failed(format!("exit {:?}", completed.exit_code), "the program failed")),
                Err(error) => Err(error.clone()),
            };
            self.context.outcome(number, &outcome);
        }
        result.map(Outcome::Completed)
    }

    async fn perform(
        &self,
        question: &Question<'_>,
        command: &Command,
        stdin: Option<tokio::sync::mpsc::Receiver<Vec<u8>>>,
    ) -> Result<Completed, Error> {
        let call = self.context.begin(&question.program.request, &question.operation, &question.rule)?;
        let work = async {
            let mut prepared = self.prepare(question, command)?;
            prepared.launch.stdin = stdin.is_some();
            let sink = match &prepared.file {
                None => Sink::Capture(sink::CAPTURE),
                Some(output) => Sink::File(tokio::fs::File::from_std(output.create()?)),
            };
            let (ready, process) = self.start(question, prepared.launch).await?;
            let done = drive::drive(process, ready.status, stdin, sink, self.limit(command), &self.context).await?;
            drop(ready.scratch);
            let outputs: Vec<Output> = prepared.outputs.into_iter().chain(prepared.file).collect();
            let to_file = question.file.is_some();
            if to_file && done.ended == Ended::Code(0) && done.stdout.sha256.is_none() {
                return Err(failed("EIO", "the program's output was not read to its end, and is not kept"));
            }
            if done.ended == Ended::Code(0) && !outputs.is_empty() {
                let finished = tokio::task::spawn_blocking(move || outputs.iter().try_for_each(Output::finish)).await;
                finished.map_err(|_| failed("EIO", "the outputs could not be put in their places"))??;
            }
            self.completed(question, &prepared.scrub, done)
        };
        let result = work.await;
        call.settle(result, |completed| (0, (completed.stdout.len() + completed.stderr.len()) as u64))
    }

    /// Starts a reading program whose output a plugin reads as it comes.
    ///
    /// # Errors
    /// As the contract has them.
    pub(crate) async fn spawn(self: &Arc<Self>, command: Command) -> Result<(stream::Output, Completing), Error> {
        let question = grant::decide(&self.programs, &self.bindings, &self.context, &command, None)?;
        if question.changes {
            let rule = "spawn is for reading forms alone: a form that changes goes through run";
            return Err(self.context.deny(&question.program.request, &question.operation, rule));
        }
        let call = self.context.begin(&question.program.request, &question.operation, &question.rule)?;
        let started = async {
            let prepared = self.prepare(&question, &command)?;
            let started = self.start(&question, prepared.launch).await?;
            Ok((started, prepared.scrub))
        };
        let ((ready, process), scrub) = match started.await {
            Ok(started) => started,
            Err(error) => return Err(call.fail(error)),
        };
        let (sender, output) = stream::output();
        let (mut end, completed) = completion(&self.context, question.operation.clone());
        let (client, limit) = (self.clone(), self.limit(&command));
        tokio::spawn(async move {
            let sink = Sink::Stream(sender, Scrubbing::new(scrub.clone()));
            let done = drive::drive(process, ready.status, None, sink, limit, &client.context).await;
            drop(ready.scratch);
            end.send(client.streamed(call, &command, &scrub, done));
        });
        Ok((output, Box::pin(completed)))
    }

    fn streamed(
        &self,
        call: Call,
        command: &Command,
        scrub: &Scrub,
        done: Result<Done, Error>,
    ) -> Result<Completed, Error> {
        let result = done.and_then(|done| {
            let total = done.stdout.total;
            let program = self.programs.iter().find(|program| program.request == command.program);
            let label = program.map(Program::label).unwrap_or_default();
            finished(&label, scrub, done).map(|completed| (completed, total))
        });
        call.settle(result, |(_, total)| (0, *total)).map(|(completed, _)| completed)
    }

    fn completed(&self, question: &Question<'_>, scrub: &Scrub, done: Done) -> Result<Completed, Error> {
        let completed = finished(&question.program.label(), scrub, done)?;
        self.context.take(0, (completed.stdout.len() + completed.stderr.len()) as u64)?;
        Ok(completed)
    }

    async fn start(&self, question: &Question<'_>, launch: Launch) -> Result<(Ready, Process), Error> {
        let program = question.program;
        wall::start(&self.walls, launch, program.resource.confine, &self.context).await
    }

    fn limit(&self, command: &Command) -> Duration {
        let most = self.context.limits.wall();
        command.timeout_ms.map_or(most, |limit| Duration::from_millis(limit).min(most))
    }

    /// Opens what the call names, and puts the program's arguments and environment together.
    fn prepare(&self, question: &Question<'_>, command: &Command) -> Result<Prepared, Error> {
        let program = question.program;
        let mut scrub = Scrub::default();
        let mut launch = Launch {
            label: program.label(),
            program: program.resource.path.clone(),
            variables: Launch::base_variables(),
            network: program.resource.network,
            ..Launch::default()
        };
        scrub.path(&launch.program, &program.name);
        launch.variables.extend(program.resource.variables.clone());
        // What the operator sets may be a token; what is short is a switch or a number.
        let long = program.resource.variables.iter().filter(|(_, value)| value.len() >= SECRET_VARIABLE);
        long.for_each(|(name, value)| scrub.secret(value, &format!("${name}")));
        launch.variables.extend(command.environment.iter().cloned());
        let mut outputs = Vec::new();
        for asked in &question.arguments {
            let argument = match asked {
                Asked::Text(text) => text.into(),
                Asked::Path(before, guest) => {
                    let opened = place::existing(guest)?;
                    let argument = joined(before, &opened.real);
                    self.show(&mut launch, &mut scrub, question, opened)?;
                    argument
                }
                Asked::Output(before, guest) => {
                    let output = Output::prepare(guest)?;
                    let argument = joined(before, &output.path());
                    scrub.path(&output.real, &output.label);
                    scrub.path(&output.root.0, &output.root.1);
                    self.visible(question, &output.real)?;
                    let handle = output.handle().map_err(|errno| place::at(guest, errno))?;
                    launch.shown.push(Shown { handle, real: output.real.clone(), writable: true });
                    outputs.push(output);
                    argument
                }
            };
            launch.arguments.push(argument);
        }
        if let Some(guest) = &question.directory {
            let opened = place::directory(guest)?;
            launch.directory = Some(opened.real.clone());
            self.show(&mut launch, &mut scrub, question, opened)?;
        }
        if let Some(target) = question.connect_to {
            let connection = connect::connection(target, !question.changes)?;
            if connection.network && !launch.network {
                let problem = "is reached over the network, which the program has only with network = true";
                return Err(Error::Unavailable(format!("{} {problem} at {}", connection.label, program.label())));
            }
            connection.addresses.iter().for_each(|address| scrub.server(address, &connection.label));
            connection.passwords.iter().for_each(|password| scrub.secret(password, &connection.label));
            launch.variables.extend(connection.variables.into_iter().map(|(name, value)| (name.into(), value)));
            launch.files = connection.files;
            launch.sockets = connection.sockets;
        }
        let file = question.file.as_ref().map(Output::prepare).transpose()?;
        Ok(Prepared { launch, outputs, file, scrub })
    }

    fn show(
        &self,
        launch: &mut Launch,
        scrub: &mut Scrub,
        question: &Question<'_>,
        opened: Opened,
    ) -> Result<(), Error> {
        self.visible(question, &opened.real)?;
        scrub.path(&opened.root.0, &opened.root.1);
        launch.shown.push(Shown { handle: opened.handle, real: opened.real, writable: false });
        Ok(())
    }

    fn visible(&self, question: &Question<'_>, real: &std::path::Path) -> Result<(), Error> {
        if self.walls.hides(real) {
            let rule = "what lies there is the host's own, and is shown to no program";
            return Err(self.context.deny(&question.program.request, &question.operation, rule));
        }
        Ok(())
    }
}

fn effect(question: &Question<'_>) -> Effect {
    Effect {
        request: question.program.request.clone(),
        operation: question.operation.clone(),
        object: question.object.clone(),
    }
}

fn joined(before: &str, path: &std::path::Path) -> OsString {
    let mut argument = OsString::from(before);
    argument.push(path);
    argument
}

fn finished(label: &str, scrub: &Scrub, done: Done) -> Result<Completed, Error> {
    let stderr = scrub.messages(done.stderr.bytes);
    let (exit_code, signal) = match done.ended {
        Ended::Code(code) => (Some(code), None),
        Ended::Signal(signal) => (None, Some(signal)),
        Ended::NotStarted => {
            let words = wall::said(&stderr);
            return Err(Error::Unavailable(format!("{label} could not be started behind its walls: {words}")));
        }
    };
    Ok(Completed {
        exit_code,
        signal,
        stdout: scrub.output(done.stdout.bytes),
        stderr,
        truncated: done.stdout.truncated || done.stderr.truncated,
        sha256: done.stdout.sha256,
        duration_ms: u64::try_from(done.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
