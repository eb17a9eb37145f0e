//! Kerberos tickets are opened by the system's library in a process of its own: this program once more,
//! with nothing but the keytab. What a browser sends reaches the library there, and nowhere else; the
//! process has no secret of ours, and its settings are not those of another connection.
//!
//! It reads a question and writes an answer on one line each, in JSON. It is started by the first
//! question, and again when it ended or took too long.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

use crate::protocol::kerberos::Keytab;

/// The largest token that is looked at, in bytes: a ticket of Active Directory has all groups in it.
pub(crate) const MOST_TOKEN: usize = 64 << 10;
/// The command that [`serve`] stands behind.
pub(crate) const COMMAND: &str = "open-tickets";
/// How long a question may take, with those before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What opens the tickets for the services of one keytab.
#[derive(Debug)]
pub(crate) struct Tickets {
    keytab: PathBuf,
    opener: Mutex<Option<Opener>>,
}

#[derive(Debug)]
struct Opener {
    // Ends with this value.
    _process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize, Serialize)]
struct Question {
    token: String,
    /// Of the channel that it came by (RFC 5929), if there is one.
    binding: Option<String>,
}

#[derive(Deserialize, Serialize)]
enum Answer {
    Opened { principal: String },
    Refused { why: String },
}

/// Why a ticket was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("what opens tickets does not run: {0}")]
    NotRunning(io::Error),
    #[error("the ticket is not accepted: {0}")]
    Refused(String),
    #[error("what opens tickets says nothing within {} seconds", PATIENCE.as_secs())]
    TimedOut,
    #[error("the token has {0} bytes, more than are looked at")]
    TooLarge(usize),
}

impl Tickets {
    /// Nothing is started before the first question.
    pub(crate) fn new(keytab: &Path) -> Self {
        Self {
            keytab: keytab.to_owned(),
            opener: Mutex::default(),
        }
    }

    /// Whose ticket is in a token.
    pub(crate) async fn open(
        &self,
        token: &[u8],
        binding: Option<&[u8]>,
    ) -> Result<String, TicketError> {
        if token.len() > MOST_TOKEN {
            return Err(TicketError::TooLarge(token.len()));
        }
        let question = Question {
            token: STANDARD.encode(token),
            binding: binding.map(|binding| STANDARD.encode(binding)),
        };
        let asked = timeout(PATIENCE, async {
            let mut held = self.opener.lock().await;
            // Taken out: it comes back only when it has answered.
            let opener = held.take().map_or_else(|| Opener::start(&self.keytab), Ok);
            let mut opener = opener.map_err(TicketError::NotRunning)?;
            let answer = opener.ask(&question).await;
            let answer = answer.map_err(TicketError::NotRunning)?;
            *held = Some(opener);
            Ok(answer)
        });
        match asked.await.unwrap_or(Err(TicketError::TimedOut))? {
            Answer::Opened { principal } => Ok(principal),
            Answer::Refused { why } => Err(TicketError::Refused(why)),
        }
    }
}

impl Opener {
    fn start(keytab: &Path) -> io::Result<Self> {
        // Also after the file was replaced by a newer one.
        let mut process = Command::new("/proc/self/exe")
            .arg(COMMAND)
            .arg(keytab)
            .env_clear()
            .env("KRB5_KTNAME", format!("FILE:{}", keytab.display()))
            // Nothing that the system's file allows beyond the defaults counts.
            .env("KRB5_CONFIG", "/dev/null")
            // Whether a ticket comes again is our own store's to say, for all processes.
            .env("KRB5RCACHENAME", "none:")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let questions = process.stdin.take().ok_or_else(gone)?;
        let answers = process.stdout.take().ok_or_else(gone)?;
        Ok(Self {
            _process: process,
            questions,
            answers: BufReader::new(answers),
        })
    }

    async fn ask(&mut self, question: &Question) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        self.questions.write_all(&line).await?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// Answers questions until there are no more of them: the other end of [`Tickets`].
pub(crate) fn serve(
    keytab: &Path,
    questions: impl io::BufRead,
    mut answers: impl io::Write,
) -> io::Result<()> {
    for line in questions.lines() {
        let question: Question = serde_json::from_str(&line?)?;
        // It may be another one by now: a keytab is replaced when the service's password changes.
        let answer = checked(keytab).and_then(|()| answer(&question));
        let answer = answer.unwrap_or_else(|why| Answer::Refused { why });
        serde_json::to_writer(&mut answers, &answer)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    Ok(())
}

/// Whether the keys are still such as may be used.
fn checked(keytab: &Path) -> Result<(), String> {
    let octets = std::fs::read(keytab).map_err(|error| error.to_string())?;
    Keytab::parse(&octets)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(feature = "kerberos")]
fn answer(question: &Question) -> Result<Answer, String> {
    use libgssapi::{
        context::{CtxFlags, SecurityContext as _, ServerCtx},
        credential::{Cred, CredUsage},
    };
    let decoded = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
    let token = decoded(&question.token)?;
    let binding = question.binding.as_deref().map(decoded).transpose()?;
    let keys = Cred::acquire(None, None, CredUsage::Accept, None)
        .map_err(|error| format!("the keytab cannot be used: {error}"))?;
    let mut context = ServerCtx::new(Some(keys));
    context
        .step(&token, binding.as_deref())
        .map_err(|error| error.to_string())?;
    if !context.is_complete() {
        return Err("the browser wants to say more, and one token must do".to_owned());
    }
    let flags = context.flags().map_err(|error| error.to_string())?;
    if flags.contains(CtxFlags::GSS_C_ANON_FLAG) {
        return Err("it is nobody's".to_owned());
    }
    let name = context.source_name().map_err(|error| error.to_string())?;
    let name = name.display_name().map_err(|error| error.to_string())?;
    let principal = String::from_utf8(name.to_vec()).map_err(|error| error.to_string())?;
    Ok(Answer::Opened { principal })
}

#[cfg(not(feature = "kerberos"))]
fn answer(_: &Question) -> Result<Answer, String> {
    Err("this program was built without Kerberos".to_owned())
}
