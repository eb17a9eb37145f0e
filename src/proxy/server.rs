//! The listeners, and how the process starts and stops.

use std::{
    fs::Permissions,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::{
    listeners::ListenerConfig,
    proxy::http_proxy,
    server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, configuration::ServerConf},
    services::listening::Service,
};
use tokio::{
    net::TcpSocket,
    signal::unix::{SignalKind, signal},
};

use super::{Edge, Live, admin::Admin, redirect::Redirect, streams::Watching, tls::ListenerTls};

/// Where something listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    /// A Unix socket, with its mode.
    Unix(PathBuf, u32),
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Serves {
    /// Logins by client certificate, and nothing else.
    CertificateLogin,
    /// The applications.
    Proxy,
    /// A redirect to `public_url`'s scheme.
    Redirect,
}

/// One listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: Address,
    pub(crate) serves: Serves,
    /// `None`: plain http.
    pub(crate) tls: Option<ListenerTls>,
}

/// How the process serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) threads: usize,
    /// How long requests under way may take when the process is told to stop.
    pub(crate) shutdown_timeout: Duration,
}

/// Counts the requests under way, and says when the process is stopping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    active: AtomicUsize,
    stopping: AtomicBool,
}

impl Traffic {
    /// A request whose head has arrived.
    pub(super) fn enter(&self) -> ActiveRequest {
        self.0.active.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(self.clone())
    }

    /// Whether nothing new should be begun.
    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }
}

/// A request under way; dropping it ends it.
#[derive(Debug)]
pub(super) struct ActiveRequest(Traffic);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves until the process is told to stop; `admin` listens beside the proxy.
pub(crate) fn serve(
    serving: Serving,
    edge: Edge,
    traffic: &Traffic,
    (admin, address): (Admin, SocketAddr),
    drained: impl FnOnce() + Send + 'static,
) -> anyhow::Result<()> {
    for listener in &serving.listeners {
        try_bind(&listener.address, "server.listen")?;
    }
    let grace = serving.shutdown_timeout;
    let conf = ServerConf {
        threads: serving.threads,
        // A connection stays with its thread. Nothing here occupies one for long (passwords are
        // hashed elsewhere), and threads that steal from each other pay for it with each request.
        work_stealing: false,
        // `drain` below ends the process as soon as nothing is under way.
        grace_period_seconds: Some(grace.as_secs().max(1)),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let (mut proxies, mut redirects) = (Vec::new(), Vec::new());
    for listener in serving.listeners {
        match listener.serves {
            Serves::CertificateLogin | Serves::Proxy => proxies.push(listener),
            Serves::Redirect => redirects.push(listener),
        }
    }
    let (streams, live) = (edge.sessions.streams().clone(), edge.live.clone());
    if !proxies.is_empty() {
        let proxy = http_proxy(&server.configuration, edge);
        let watching = Watching::new(proxy, traffic.clone());
        let service = Service::new("proxy".to_owned(), watching);
        server.add_service(with(service, proxies, &live)?);
    }
    if !redirects.is_empty() {
        let redirect = Redirect::app(live.clone());
        let service = Service::new("redirect".to_owned(), redirect);
        server.add_service(with(service, redirects, &live)?);
    }
    server.add_service(admin.service(address));
    let stop = Stop {
        traffic: traffic.clone(),
        streams,
        grace,
        drained: Some(drained).into(),
    };
    server.run(RunArgs {
        shutdown_signal: Box::new(stop),
    });
    Ok(())
}

/// Adds listeners to a service.
fn with<A>(
    mut service: Service<A>,
    listeners: Vec<Listener>,
    live: &Arc<ArcSwap<Live>>,
) -> anyhow::Result<Service<A>> {
    for listener in listeners {
        let mut endpoint = match &listener.address {
            Address::Tcp(address) => ListenerConfig::tcp(address.to_string()),
            Address::Unix(path, mode) => ListenerConfig::uds(path.display().to_string())
                .permissions(Permissions::from_mode(*mode)),
        };
        if let Some(tls) = &listener.tls {
            let certificate_login = listener.serves == Serves::CertificateLogin;
            endpoint = endpoint.tls(tls.settings(certificate_login, live.clone())?);
        }
        service.add_listener(endpoint);
    }
    Ok(service)
}

/// pingora finds a taken port only after its threads run; this finds it while there is somebody
/// to tell. It does not listen: a visitor who came in between would be hung up on.
pub(crate) fn try_bind(address: &Address, key: &str) -> anyhow::Result<()> {
    match address {
        Address::Tcp(address) => bind(*address).with_context(|| {
            format!("cannot listen on {address}: stop the program that does, or change {key}")
        }),
        Address::Unix(path, _) => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) {
                bail!(
                    "cannot listen on {}: its folder does not exist",
                    path.display()
                );
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                bail!("cannot listen on {}: another process does", path.display());
            }
            Ok(())
        }
    }
}

fn bind(address: SocketAddr) -> std::io::Result<()> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // Connections that have ended linger at the address; they keep nobody from it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

/// Waits for a signal; then for the requests under way, in bounds.
struct Stop<F> {
    traffic: Traffic,
    streams: crate::session::Streams,
    grace: Duration,
    drained: parking_lot::Mutex<Option<F>>,
}

#[async_trait]
impl<F: FnOnce() + Send + 'static> ShutdownSignalWatch for Stop<F> {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut terminate), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) else {
            tracing::error!("signals cannot be waited for; the process stops");
            return ShutdownSignal::FastShutdown;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new requests, those under way are finished");
        self.traffic.0.stopping.store(true, Ordering::Relaxed);
        // Nobody finishes a WebSocket in time; its page connects again to whoever comes next.
        self.streams.end(|_| true);
        let (traffic, grace, drained) =
            (self.traffic.clone(), self.grace, self.drained.lock().take());
        std::thread::spawn(move || drain(&traffic, grace, drained));
        ShutdownSignal::GracefulTerminate
    }
}

/// Ends the process when nothing is under way any more, or when the time is over.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "pingora sleeps through its whole grace period; this is the way to end it early"
)]
fn drain(traffic: &Traffic, grace: Duration, drained: Option<impl FnOnce()>) {
    let step = Duration::from_millis(50);
    // A moment for the listeners to close, and for what they had accepted to begin.
    std::thread::sleep(step * 4);
    let mut waited = Duration::ZERO;
    while traffic.0.active.load(Ordering::Relaxed) > 0 && waited < grace {
        std::thread::sleep(step);
        waited += step;
    }
    if let Some(drained) = drained {
        drained();
    }
    tracing::info!("stopped");
    std::process::exit(0);
}
