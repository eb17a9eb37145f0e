//! `users export`.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{
    csv::{self, FIELDS},
    sealed::{Output, Reader},
};
use crate::cli::{
    Ended, Place, Unusable,
    execute::Hand,
    output,
    remote::{Command, Page},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// Password hashes too. Whoever has them can guess passwords as fast as their machines allow.
    #[arg(long, alias = "with-hashes")]
    with_password_hashes: bool,
    /// The secrets of second factors too. Whoever has them can make every code that is asked for.
    #[arg(long)]
    with_second_factors: bool,
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// The columns of CSV: id, handle, profile.email, user_metadata.plan …
    #[arg(long, value_name = "LIST")]
    fields: Option<String>,
    /// A new file, readable by its owner alone, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Encrypt it to an age recipient (age1…).
    #[arg(long, value_name = "RECIPIENT", conflicts_with = "pgp_key")]
    age_recipient: Option<String>,
    /// Encrypt it, by the system's gpg, to the OpenPGP public key in a file.
    #[arg(long, value_name = "FILE")]
    pgp_key: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

/// Exports all users.
pub(in crate::cli) fn export(place: &Place, export: &Export) -> anyhow::Result<Ended> {
    let unusable = |why: String| anyhow::Error::from(Unusable(why));
    if export.output.is_none() && std::io::stdout().is_terminal() {
        let why = "users are not printed to a terminal: give --output FILE, or a pipe";
        return Err(unusable(why.to_owned()));
    }
    if export.with_password_hashes && export.format == Format::Csv {
        return Err(unusable("password hashes are exported as jsonl".to_owned()));
    }
    if export.with_second_factors && export.format == Format::Csv {
        return Err(unusable("second factors are exported as jsonl".to_owned()));
    }
    if export.fields.is_some() && export.format == Format::Jsonl {
        return Err(unusable("--fields is for --format csv".to_owned()));
    }
    let fields = export.fields.as_deref().unwrap_or(FIELDS);
    let fields = csv::fields(fields).map_err(unusable)?;
    let reader = match (&export.age_recipient, &export.pgp_key) {
        (Some(recipient), _) => Reader::Age(recipient.parse().map_err(|why: &str| {
            unusable(format!("--age-recipient is no age recipient: {why}"))
        })?),
        (None, Some(key)) => Reader::Pgp(key.clone()),
        (None, None) => Reader::Anybody,
    };
    if export.with_password_hashes && matches!(reader, Reader::Anybody) {
        output::report(
            "warning: password hashes in plain text; --age-recipient or --pgp-key encrypts them",
        );
    }
    if export.with_second_factors && matches!(reader, Reader::Anybody) {
        output::report(
            "warning: secrets of second factors in plain text; --age-recipient or --pgp-key encrypts \
             them",
        );
    }
    let mut hand = Hand::open(place)?;
    let mut after = None;
    let mut page = hand.have_done(&ask(export, None))?;
    let mut rows = Rows::new(
        Output::open(export.output.as_deref(), reader)?,
        export.format,
    );
    rows.head(&fields)?;
    loop {
        for user in page
            .get("lines")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            rows.write(user, &fields)?;
        }
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() || next == after {
            break;
        }
        after = next;
        page = hand.have_done(&ask(export, after.clone()))?;
    }
    rows.finish()?;
    Ok(Ended::Done)
}

fn ask(export: &Export, after: Option<String>) -> Command {
    Command::UserExport(Page {
        with_hashes: export.with_password_hashes,
        with_second_factors: export.with_second_factors,
        after,
    })
}

/// Users on their way out.
enum Rows {
    Csv(Box<::csv::Writer<Output>>),
    Jsonl(Output),
}

const UNWRITTEN: &str = "the export cannot be written";

impl Rows {
    fn new(output: Output, format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv(Box::new(::csv::Writer::from_writer(output))),
            Format::Jsonl => Self::Jsonl(output),
        }
    }

    fn head(&mut self, fields: &[String]) -> anyhow::Result<()> {
        if let Self::Csv(writer) = self {
            writer.write_record(fields).context(UNWRITTEN)?;
        }
        Ok(())
    }

    fn write(&mut self, user: &Value, fields: &[String]) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => writer
                .write_record(csv::row(user, fields))
                .context(UNWRITTEN),
            Self::Jsonl(output) => writeln!(output, "{user}").context(UNWRITTEN),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer) => {
                let output = writer
                    .into_inner()
                    .map_err(::csv::IntoInnerError::into_error);
                output.context(UNWRITTEN)?.finish()
            }
            Self::Jsonl(output) => output.finish(),
        }
    }
}
