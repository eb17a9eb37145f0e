//! `users import`.

use std::{
    fs::File,
    io::{BufRead, BufReader, IsTerminal, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{BATCH, records::Records};
use crate::cli::{
    Ended, Place,
    execute::Hand,
    output,
    remote::{Batch, Command},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// JSON lines as `users export` writes them, or a JSON array in the format of Auth0's bulk
    /// import; standard input without one.
    file: Option<PathBuf>,
    /// The database connection that users without one of their own are put in.
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Bring users who exist to what the file says, instead of leaving them as they are.
    #[arg(long)]
    upsert: bool,
    /// Change nothing; only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Write what is wrong to a file, one JSON object for each record.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
}

/// Records are also handed over when their texts have so many bytes together.
const MOST_BATCH: usize = 4 << 20;
/// What is wrong is printed for so many records; `--errors` takes them all.
const MOST_PRINTED: u64 = 100;
/// Without a terminal there is a line on the progress after so many records.
const EVERY: u64 = 10_000;

/// Imports a file. Good records are imported whatever is wrong with others.
pub(in crate::cli) fn import(place: &Place, import: &Import) -> anyhow::Result<Ended> {
    let (input, size): (Box<dyn BufRead>, Option<u64>) = match &import.file {
        Some(path) => {
            let file = File::open(path);
            let file = file.with_context(|| format!("{} cannot be read", path.display()))?;
            let size = file.metadata().ok().map(|found| found.len());
            (Box::new(BufReader::with_capacity(1 << 16, file)), size)
        }
        None => (Box::new(BufReader::new(std::io::stdin())), None),
    };
    let errors = import.errors.as_ref().map(File::create).transpose();
    let mut tally = Tally {
        errors: errors.context("the file for --errors cannot be written")?,
        size,
        ..Tally::empty()
    };
    let mut hand = Hand::open(place)?;
    let mut records = Records::new(input);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let next = records.next().context("the file cannot be read")?;
        let at_end = next.is_none();
        match next {
            Some((number, Ok(text))) => {
                tally.read(text.len());
                bytes += text.len();
                batch.push((number, text));
            }
            Some((number, Err(why))) => {
                tally.read(0);
                tally.refuse(&json!({ "record": number, "what": null, "why": why }))?;
            }
            None => {}
        }
        if batch.len() >= BATCH || bytes >= MOST_BATCH || (at_end && !batch.is_empty()) {
            let command = Command::UserImport(Batch {
                records: std::mem::take(&mut batch),
                connection: import.connection.clone(),
                upsert: import.upsert,
                dry_run: import.dry_run,
            });
            bytes = 0;
            tally.add(&hand.have_done(&command)?)?;
        }
        if at_end {
            break;
        }
    }
    Ok(tally.end(import.dry_run))
}

/// What has become of the records so far.
struct Tally {
    begun: Instant,
    errors: Option<File>,
    size: Option<u64>,
    records: u64,
    bytes: u64,
    counts: [u64; 3],
    refused: u64,
    noted: u64,
}

/// The names of `Tally::counts`.
const COUNTS: [&str; 3] = ["created", "updated", "existed"];

impl Tally {
    fn empty() -> Self {
        Self {
            begun: Instant::now(),
            errors: None,
            size: None,
            records: 0,
            bytes: 0,
            counts: [0; 3],
            refused: 0,
            noted: 0,
        }
    }

    fn read(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64 + 1;
    }

    fn add(&mut self, answer: &Value) -> anyhow::Result<()> {
        for (count, name) in self.counts.iter_mut().zip(COUNTS) {
            *count += answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        }
        for one in listed(answer, "refused") {
            self.refuse(one)?;
        }
        for one in listed(answer, "notes") {
            self.noted += 1;
            self.tell(one, self.noted)?;
        }
        self.progress();
        Ok(())
    }

    fn refuse(&mut self, one: &Value) -> anyhow::Result<()> {
        self.refused += 1;
        self.tell(one, self.refused)
    }

    fn tell(&mut self, one: &Value, number: u64) -> anyhow::Result<()> {
        if let Some(file) = &mut self.errors {
            writeln!(file, "{one}").context("the file for --errors cannot be written")?;
        } else if number <= MOST_PRINTED {
            if std::io::stderr().is_terminal() {
                // the progress gives its line to what is wrong
                output::status("");
            }
            let (record, what) = (output::cell(one, "record"), output::cell(one, "what"));
            output::report(&format!(
                "record {record} ({what}): {}",
                output::cell(one, "why")
            ));
        } else if number == MOST_PRINTED + 1 {
            output::report("and more; --errors FILE keeps them all");
        }
        Ok(())
    }

    fn progress(&self) {
        if std::io::stderr().is_terminal() {
            let share = self.size.filter(|size| *size > 0);
            let share = share.map(|size| format!("{:3} %", (self.bytes * 100 / size).min(100)));
            let share = share.unwrap_or_default();
            output::status(&format!(
                "{share} {} records, {} refused",
                self.records, self.refused
            ));
        } else if self.records % EVERY < BATCH as u64 && self.records >= EVERY {
            output::report(&format!(
                "{} records, {} refused",
                self.records, self.refused
            ));
        }
    }

    fn end(self, dry_run: bool) -> Ended {
        if std::io::stderr().is_terminal() && self.records > 0 {
            output::report("");
        }
        let [created, updated, existed] = self.counts;
        let seconds = self.begun.elapsed().as_millis().max(1);
        output::json(&json!({
            "records": self.records, "created": created, "updated": updated, "existed": existed,
            "refused": self.refused, "notes": self.noted, "dry_run": dry_run,
            "records_per_second": u128::from(self.records) * 1000 / seconds,
            "peak_memory_kib": peak_memory(),
        }));
        if self.refused == 0 {
            Ended::Done
        } else {
            Ended::NotAsAsked
        }
    }
}

fn listed<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The most memory that this process has held, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
