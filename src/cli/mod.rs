//! The command line: one file for each command.
//!
//! Every command exits with 0 when it was done, 1 when it was not as asked, 2 when the call itself
//! cannot be used, and says in one line what is wrong and what to do. A command that changes or
//! lists what the process holds asks the running process by its admin socket, or does it on the
//! storage when none runs ([`remote`]); both run the same code ([`execute`]).

mod catalog;
mod check;
mod connections;
mod execute;
mod explain;
mod factors;
mod find;
mod health;
mod keys;
mod output;
mod reload;
mod remote;
mod run;
mod sessions;
mod socket;
mod tickets;
mod transfer;
mod trial;
mod users;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    app,
    config::{self, Loaded},
    environment::Environment,
};

/// The login hall in front of web apps that know nothing about login.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, about, arg_required_else_help = false)]
struct CommandLine {
    /// The configuration file. Default: `config.toml` if it is there.
    #[arg(long, global = true, env = "VESTIBULE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print data as JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default).
    Run(run::Arguments),
    /// Read the configuration and say everything that is wrong with it.
    Check(check::Arguments),
    /// The sources of users.
    #[command(subcommand)]
    Connections(connections::Command),
    /// The people.
    #[command(subcommand)]
    Users(users::Command),
    /// Who is signed in.
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// What would become of a request: route, rule, verdict and the exact headers.
    Explain(explain::Arguments),
    /// Ask the running process whether it is ready.
    Health,
    /// The keys that seal and sign.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print the JSON schema of config.toml.
    Schema,
    /// Started by the running process.
    #[command(hide = true, name = crate::egress::tickets::COMMAND)]
    OpenTickets { keytab: PathBuf },
}

/// What a command ends in, besides an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    /// As asked.
    Done,
    /// Not as asked; what is wrong has been printed.
    NotAsAsked,
}

/// The call itself cannot be used: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match CommandLine::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Clap writes help to stdout and mistakes to stderr; it knows best where to.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match dispatch(arguments) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::NotAsAsked) => ExitCode::from(1),
        Err(error) => {
            output::complain(&format!("{error:#}"));
            let unusable = error.is::<Unusable>() || error.is::<config::Report>();
            ExitCode::from(if unusable { 2 } else { 1 })
        }
    }
}

fn dispatch(arguments: CommandLine) -> anyhow::Result<Ended> {
    let place = Place {
        config: arguments.config,
        environment: Environment::of_process(),
    };
    let json = arguments.json;
    match arguments.command {
        None => run::run(&place, &arguments.run),
        Some(Command::Run(run)) => run::run(&place, &run),
        Some(Command::Check(check)) => check::run(&place, &check, json),
        Some(Command::Connections(command)) => connections::run(&place, &command, json),
        Some(Command::Users(command)) => users::run(&place, command, json),
        Some(Command::Sessions(command)) => sessions::run(&place, command, json),
        Some(Command::Explain(explain)) => explain::run(&place, &explain, json),
        Some(Command::Health) => health::run(&place, json),
        Some(Command::Keys(command)) => keys::run(&place, &command, json),
        Some(Command::OpenTickets { keytab }) => tickets::run(&keytab),
        Some(Command::Schema) => {
            output::json(&config::schema());
            Ok(Ended::Done)
        }
    }
}

/// Where a command looks for its settings.
#[derive(Clone, Debug)]
struct Place {
    config: Option<PathBuf>,
    environment: Environment,
}

impl Place {
    /// The file that was named, or the one that is there.
    fn file(&self) -> Option<PathBuf> {
        let usual = PathBuf::from("config.toml");
        self.config
            .clone()
            .or_else(|| usual.is_file().then_some(usual))
    }

    /// The settings of the file; without one, those of the trial.
    fn load(&self) -> anyhow::Result<Loaded> {
        self.load_for(None)
    }

    /// The same; with an application to try it with, those of the trial.
    fn load_for(&self, upstream: Option<&str>) -> anyhow::Result<Loaded> {
        let loaded = match self.file().filter(|_| upstream.is_none()) {
            Some(file) => config::load(&file, &self.environment, &app::problems),
            None => Loaded::trial(upstream, &self.environment, &app::problems),
        };
        config::forget_schema();
        Ok(loaded?)
    }
}
