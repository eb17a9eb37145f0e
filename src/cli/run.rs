//! `vestibule run`: serve until told to stop.

use std::{
    io::IsTerminal,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::{
    net::{TcpStream, UnixStream},
    runtime::Runtime,
};
use tracing_subscriber::{EnvFilter, Layer, filter::Targets, layer::SubscriberExt};

use super::{
    Ended, Place, execute, output,
    reload::{self, Reloader},
};
use crate::{
    app::App,
    config::{self, Loaded, LogFormat, Settings},
    flow::new_owner_token,
    metrics,
    proxy::{
        Live,
        admin::Admin,
        server::{self, Address, Listener, Serves, Serving, Traffic},
        tls::{CertificateFiles, ListenerTls, TlsFiles, Visitors},
    },
};

/// What `run` takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Arguments {
    /// Try it without a file: put the login in front of this application.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
}

/// Serves.
pub(super) fn run(place: &Place, arguments: &Arguments) -> anyhow::Result<Ended> {
    let trial = arguments.upstream.is_some() || place.file().is_none();
    let loaded = place.load_for(arguments.upstream.as_deref())?;
    let settings = &loaded.settings;
    start_log(settings)?;
    metrics::register();
    let work = Runtime::new().context("no threads for the work beside the requests")?;
    let app = Arc::new(work.block_on(App::open(settings, trial))?);
    let live = app
        .build(settings)
        .map_err(|problems| loaded.report(problems))?;
    let refused = work.block_on(app.check_pins(&live));
    if !refused.is_empty() {
        anyhow::bail!("{}", refused.join("\n"));
    }
    let live = Arc::new(ArcSwap::from_pointee(live));
    let listeners = open_listeners(settings, &loaded)?;
    let tls = listeners.iter().filter_map(|one| one.tls.clone()).collect();
    let serving = Serving {
        threads: settings.threads.unwrap_or_else(processors),
        shutdown_timeout: settings.shutdown_timeout,
        listeners,
    };
    let (traffic, listening) = (Traffic::default(), Arc::new(AtomicBool::new(false)));
    let admin = Admin {
        sessions: app.sessions.clone(),
        traffic: traffic.clone(),
        hosts: settings.admin.hosts.clone(),
        listening: listening.clone(),
    };
    server::try_bind(&Address::Tcp(settings.admin.listen), "admin.listen")?;
    let admin = (admin, settings.admin.listen);
    let socket = settings.admin.socket.clone();
    work.spawn(watch(app.clone(), live.clone()));
    work.spawn(execute::serve(socket.clone(), app.clone(), live.clone()));
    work.spawn(announce(
        app.clone(),
        addresses(&serving),
        loaded.settings.public_url.to_string(),
        live.load().site.engine.path("owner"),
        listening,
    ));
    let edge = app.edge(live.clone());
    work.spawn(reload::follow_files(Reloader {
        place: place.clone(),
        trial,
        started: loaded,
        app: app.clone(),
        live,
        tls,
    }));
    let handle = work.handle().clone();
    let sessions = app.sessions.clone();
    let (outbox, texts) = (app.outbox.clone(), app.texts.clone());
    server::serve(serving, edge, &traffic, admin, move || {
        if let Err(error) = handle.block_on(sessions.flush()) {
            tracing::warn!(%error, "the last uses of some sessions were not written");
        }
        handle.block_on(async {
            let mails = outbox.close(MESSAGE_PATIENCE);
            tokio::join!(mails, texts.close(MESSAGE_PATIENCE))
        });
        // Nobody answers there any more.
        let _ = std::fs::remove_file(&socket);
    })?;
    Ok(Ended::Done)
}

/// How long messages that wait are still tried at the end.
const MESSAGE_PATIENCE: Duration = Duration::from_secs(5);

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Log lines go to stderr: stdout is for what was asked for.
fn start_log(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log.level).context("log.level")?;
    // At debug and trace these print whole heads and statements, cookies and all.
    let quiet = Targets::new()
        .with_default(tracing::level_filters::LevelFilter::TRACE)
        .with_targets(LOUD.map(|target| (target, tracing::Level::INFO)));
    let format = settings.log.format.unwrap_or_else(|| {
        if std::io::stderr().is_terminal() {
            LogFormat::Pretty
        } else {
            LogFormat::Json
        }
    });
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Pretty => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    let subscriber =
        tracing_subscriber::registry().with(layer.with_filter(quiet).with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).context("the log cannot start")?;
    // What is above every filter is not even written down: pingora says much at debug.
    let most = tracing_log::AsLog::as_log(&tracing::level_filters::LevelFilter::current());
    tracing_log::LogTracer::init_with_filter(most).context("the log cannot start")?;
    Ok(())
}

/// What others log with everything that passes through them. The watcher of files is among them:
/// where the log is a file in a watched folder, each line of its would make the next one.
const LOUD: [&str; 12] = [
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "notify",
    "pingora",
    "pingora_core",
    "pingora_http",
    "pingora_pool",
    "pingora_proxy",
    "rustls",
    "sqlx",
];

fn open_listeners(settings: &Settings, loaded: &Loaded) -> anyhow::Result<Vec<Listener>> {
    let mut opened = Vec::new();
    let mut problems = Vec::new();
    for listener in &settings.listeners {
        let pairs = listener.certificates.iter();
        let files = TlsFiles {
            certificates: pairs
                .map(|pair| CertificateFiles {
                    cert: pair.cert.clone(),
                    key: pair.key.clone(),
                })
                .collect(),
            visitors: visitors(listener),
            key: listener.key.replace(".address", ""),
        };
        let tls = if files.certificates.is_empty() {
            None
        } else {
            match ListenerTls::load(files) {
                Ok(tls) => Some(tls),
                Err(found) => {
                    problems.extend(found);
                    continue;
                }
            }
        };
        opened.push(Listener {
            address: match &listener.address {
                config::Address::Tcp(address) => Address::Tcp(*address),
                config::Address::Unix(path, mode) => Address::Unix(path.clone(), *mode),
            },
            serves: match listener.serves {
                config::Serves::CertificateLogin => Serves::CertificateLogin,
                config::Serves::Proxy => Serves::Proxy,
                config::Serves::Redirect => Serves::Redirect,
            },
            tls,
        });
    }
    if problems.is_empty() {
        Ok(opened)
    } else {
        Err(loaded.report(problems).into())
    }
}

/// What a listener wants of a visitor's certificate.
fn visitors(listener: &config::Listener) -> Visitors {
    let asks = listener.client_certificates == config::ClientCertificates::Ask
        || listener.serves == config::Serves::CertificateLogin;
    match &listener.client_ca {
        Some(file) => Visitors::Demanded(file.clone()),
        None if asks => Visitors::Asked,
        None => Visitors::Ignored,
    }
}

/// Whether the certificates of all listeners can be used.
pub(super) fn try_certificates(loaded: &Loaded) -> anyhow::Result<()> {
    open_listeners(&loaded.settings, loaded).map(drop)
}

fn addresses(serving: &Serving) -> Vec<Address> {
    serving
        .listeners
        .iter()
        .map(|listener| listener.address.clone())
        .collect()
}

async fn watch(app: Arc<App>, live: Arc<ArcSwap<Live>>) {
    app.watch(&live).await;
}

/// Waits until every listener answers, then says so, with the owner's link if there is no owner.
async fn announce(
    app: Arc<App>,
    addresses: Vec<Address>,
    public_url: String,
    owner_path: String,
    listening: Arc<AtomicBool>,
) {
    for address in &addresses {
        while !answers(address).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    listening.store(true, Ordering::Relaxed);
    tracing::info!(public_url, "ready");
    output::line(&format!("Vestibule is ready at {public_url}"));
    match app.directory.store().has_owner().await {
        Ok(true) => {}
        Ok(false) => {
            let token = new_owner_token(
                app.owner_links.as_ref(),
                app.clock.as_ref(),
                app.random.as_ref(),
            )
            .await;
            match token {
                // To the terminal and nowhere else: whoever has it owns this place.
                Ok(token) => output::line(&format!(
                    "There is no owner yet. Whoever opens this link within an hour can become it:\n  \
                     {public_url}{owner_path}/{token}"
                )),
                Err(error) => tracing::error!(%error, "no owner's link could be made"),
            }
        }
        Err(error) => tracing::error!(%error, "whether there is an owner cannot be told"),
    }
}

async fn answers(address: &Address) -> bool {
    match address {
        Address::Tcp(address) => {
            let mut address: SocketAddr = *address;
            if address.ip().is_unspecified() {
                address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            TcpStream::connect(address).await.is_ok()
        }
        Address::Unix(path, _) => UnixStream::connect(path).await.is_ok(),
    }
}
