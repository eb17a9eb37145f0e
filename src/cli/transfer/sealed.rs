//! Where an export goes, encrypted or not.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, anyhow, bail};

/// Who can read it.
pub(super) enum Reader {
    /// Whoever has the file.
    Anybody,
    /// Whoever has the identity of this age recipient.
    Age(age::x25519::Recipient),
    /// Whoever has the private key of the OpenPGP key in this file.
    Pgp(PathBuf),
}

/// A file or pipe that is being written.
pub(super) enum Output {
    Plain(Box<dyn Write>),
    Age(age::stream::StreamWriter<Box<dyn Write>>),
    Pgp(Gpg),
}

/// gpg, with a home of its own that goes away with it.
pub(super) struct Gpg {
    child: Child,
    home: PathBuf,
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // an abandoned export leaves neither a process nor a folder
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

impl Output {
    /// Opens a new file of mode 0600, or standard output.
    pub(super) fn open(file: Option<&Path>, reader: Reader) -> anyhow::Result<Self> {
        let target: Option<File> = file.map(create).transpose()?;
        Ok(match reader {
            Reader::Anybody => Self::Plain(writer(target)),
            Reader::Age(recipient) => {
                let recipients = std::iter::once(&recipient as &dyn age::Recipient);
                let encryptor = age::Encryptor::with_recipients(recipients)?;
                Self::Age(encryptor.wrap_output(writer(target))?)
            }
            Reader::Pgp(key) => Self::Pgp(gpg(&key, target)?),
        })
    }

    /// Writes the end; without it an encrypted file cannot be read.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Plain(mut output) => output.flush()?,
            Self::Age(output) => output.finish()?.flush()?,
            Self::Pgp(mut gpg) => {
                drop(gpg.child.stdin.take());
                let status = gpg.child.wait()?;
                if !status.success() {
                    bail!("gpg could not encrypt: is the file an OpenPGP public key?");
                }
            }
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(octets),
            Self::Age(output) => output.write(octets),
            Self::Pgp(gpg) => match &mut gpg.child.stdin {
                Some(input) => input.write(octets),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(output) => output.flush(),
            Self::Age(output) => output.flush(),
            Self::Pgp(_) => Ok(()),
        }
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let file = options.open(path);
    file.with_context(|| format!("{} cannot be made (it must not exist)", path.display()))
}

fn writer(target: Option<File>) -> Box<dyn Write> {
    match target {
        Some(file) => Box::new(io::BufWriter::new(file)),
        None => Box::new(io::BufWriter::new(io::stdout())),
    }
}

fn gpg(key: &Path, target: Option<File>) -> anyhow::Result<Gpg> {
    let key = key.canonicalize();
    let key = key.context("the file of --pgp-key cannot be read")?;
    let mut drawn = [0; 16];
    getrandom::fill(&mut drawn).map_err(|_| anyhow!("no randomness for a folder"))?;
    let name = format!("vestibule-gpg-{:032x}", u128::from_be_bytes(drawn));
    let home = std::env::temp_dir().join(name);
    let mut builder = std::fs::DirBuilder::new();
    builder
        .mode(0o700)
        .create(&home)
        .context("no folder for gpg")?;
    let child = Command::new("gpg")
        .env("GNUPGHOME", &home)
        .args([
            "--batch",
            "--quiet",
            "--no-autostart",
            "--trust-model",
            "always",
        ])
        .args(["--encrypt", "--recipient-file"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(target.map_or_else(Stdio::inherit, Stdio::from))
        .spawn();
    match child {
        Ok(child) => Ok(Gpg { child, home }),
        Err(error) => {
            let _ = std::fs::remove_dir_all(&home);
            Err(error).context("gpg cannot be started: install gnupg, or use --age-recipient")
        }
    }
}
