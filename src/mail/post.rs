//! The last step: to a mail server, or into a folder.

use std::{
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    transport::smtp::{
        self, PoolConfig,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters, TlsVersion},
    },
};
use tokio::time::timeout;

use super::{
    Settings,
    config::{Lifetimes, Security, Server, Way},
};
use crate::{problem::Problem, random::hex};

/// How long a server may take for one command.
const COMMAND: Duration = Duration::from_secs(20);
/// And for a whole message.
const WHOLE: Duration = Duration::from_mins(1);
/// So many connections are open at once.
const CONNECTIONS: u32 = 4;

/// What takes messages, by one generation of the settings.
pub(crate) struct Post {
    pub(super) settings: Settings,
    carrier: Carrier,
}

enum Carrier {
    Folder(PathBuf),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Post {
    /// How long links are good.
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        self.settings.lifetimes
    }

    /// Makes ready, without speaking to anybody. It must be called where a runtime is: the pool of
    /// connections looks after itself.
    pub(super) fn open(settings: Settings) -> Result<Self, NotTaken> {
        let carrier = match &settings.way {
            Way::Folder(folder) => Carrier::Folder(folder.clone()),
            Way::Smtp(server) => Carrier::Smtp(Box::new(transport(server)?)),
        };
        Ok(Self { settings, carrier })
    }

    /// Hands a message over. `id` names it among others.
    pub(super) async fn send(&self, message: Message, id: &[u8; 16]) -> Result<(), NotTaken> {
        match &self.carrier {
            Carrier::Folder(folder) => {
                let (folder, name) = (folder.clone(), hex(id));
                let written =
                    tokio::task::spawn_blocking(move || keep(&folder, &name, &message.formatted()));
                let written = written.await.map_err(io::Error::other)?;
                Ok(written?)
            }
            Carrier::Smtp(transport) => {
                let sent = timeout(WHOLE, transport.send(message)).await;
                sent.map_err(|_| NotTaken::Late)??;
                Ok(())
            }
        }
    }

    /// Whether messages could leave: the server takes our login, the folder can be written.
    pub(super) async fn reach(&self) -> Result<(), NotTaken> {
        match &self.carrier {
            Carrier::Folder(folder) => Ok(make(folder)?),
            Carrier::Smtp(transport) => {
                let reached = timeout(WHOLE, transport.test_connection()).await;
                if reached.map_err(|_| NotTaken::Late)?? {
                    Ok(())
                } else {
                    Err(NotTaken::Unwilling)
                }
            }
        }
    }
}

fn transport(server: &Server) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotTaken> {
    let tls = || tls(server);
    let security = match server.security {
        Security::Plain => Tls::None,
        Security::StartTls => Tls::Required(tls()?),
        Security::Tls => Tls::Wrapper(tls()?),
    };
    let pool = PoolConfig::new()
        .max_size(CONNECTIONS)
        .idle_timeout(Duration::from_secs(20));
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(security)
        .timeout(Some(COMMAND))
        .pool_config(pool);
    if let Some((user, password)) = &server.login {
        let password = password.expose().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

fn tls(server: &Server) -> Result<TlsParameters, NotTaken> {
    let authorities = server.authorities()?;
    let mut tls =
        TlsParameters::builder(server.host.clone()).set_min_tls_version(TlsVersion::Tlsv12);
    if !authorities.is_empty() {
        tls = tls.certificate_store(CertificateStore::None);
    }
    for authority in &authorities {
        tls = tls.add_root_certificate(Certificate::from_pem(authority)?);
    }
    Ok(tls.build()?)
}

/// Writes a message beside the others; whoever looks sees all of it or nothing.
fn keep(folder: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    make(folder)?;
    let unfinished = folder.join(format!(".{name}"));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        // There are links in it that sign somebody in.
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(message)?;
    std::fs::rename(unfinished, folder.join(format!("{name}.eml")))
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error("the outbox cannot be written: {0}")]
    Folder(#[from] io::Error),
    /// What the settings name cannot be used.
    #[error(transparent)]
    Misconfigured(#[from] Problem),
    #[error("the mail server took too long")]
    Late,
    #[error("the mail server did not take it: {0}")]
    Smtp(#[from] smtp::Error),
    #[error("the mail server does not answer as one")]
    Unwilling,
}

impl NotTaken {
    /// Whether the same would happen again (RFC 5321 section 4.2.1).
    pub(super) fn is_for_good(&self) -> bool {
        match self {
            Self::Smtp(error) => error.is_permanent(),
            Self::Folder(_) | Self::Late | Self::Misconfigured(_) | Self::Unwilling => false,
        }
    }
}
