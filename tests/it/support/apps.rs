//! Applications that nobody here wrote, as they come: Radicale, Django, nginx and a WebSocket
//! server, each on a free loopback port with its data and logs in a temporary folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    process::{Process, free_port},
    servers::installed,
    tls::Leaf,
};

/// A running application.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) port: u16,
    process: Process,
    _dir: TempDir,
}

impl App {
    /// What a route writes as `upstream`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    fn start(name: &str, configure: impl FnOnce(&Path, u16) -> Command) -> Self {
        Self::start_at(free_port(), name, configure)
    }

    fn start_at(port: u16, name: &str, configure: impl FnOnce(&Path, u16) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = configure(dir.path(), port);
        command.current_dir(dir.path());
        let process = Process::spawn(name, &mut command, dir.path()).wait_for_port(port);
        Self {
            port,
            process,
            _dir: dir,
        }
    }
}

/// Radicale, a calendar server that takes the user from `X-Remote-User`; everybody owns only what
/// is theirs.
pub(crate) fn radicale() -> App {
    App::start("radicale", |dir, port| {
        let config = format!(
            "[server]\nhosts = 127.0.0.1:{port}\n\
             [auth]\ntype = http_x_remote_user\n\
             [rights]\ntype = owner_only\n\
             [storage]\nfilesystem_folder = {}\n",
            dir.join("collections").display()
        );
        std::fs::write(dir.join("config"), config).unwrap();
        let mut command = Command::new(tool("radicale"));
        command.arg("--config").arg(dir.join("config"));
        command
    })
}

/// Django with the stock `RemoteUserMiddleware` behind gunicorn: `/who` tells what arrived, `/sse`
/// streams events.
pub(crate) fn django() -> App {
    App::start("django", |dir, port| {
        let mut command = Command::new(tool("gunicorn"));
        command
            .args(["-k", "gthread", "--threads", "8", "--chdir"])
            .arg(data("django"))
            .args(["-b", &format!("127.0.0.1:{port}"), "app:application"])
            .env("DJANGO_DATA", dir);
        command
    })
}

/// nginx: files of a folder with `index.html` and a large `big.bin`, and `/echo`, which answers
/// with the user it was told.
pub(crate) fn nginx() -> App {
    App::start("nginx", |dir, port| {
        let folder = dir.join("www");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("index.html"),
            "<!doctype html><h1>nginx is here</h1>",
        )
        .unwrap();
        std::fs::write(folder.join("big.bin"), vec![b'x'; 8 << 20]).unwrap();
        let server = format!(
            "client_max_body_size 64m;\n\
             server {{ listen 127.0.0.1:{port}; root {};\n\
               location /echo {{ return 200 \"user=$http_x_forwarded_user uri=$request_uri\\n\"; }} }}",
            folder.display()
        );
        nginx_command(dir, &server)
    })
}

/// nginx over TLS with HTTP/2, for the harness's own tests.
pub(crate) fn nginx_h2(cert: &Path, key: &Path) -> App {
    App::start("nginx", |dir, port| {
        let server = format!(
            "server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {}; ssl_certificate_key {};\n\
               location = / {{ return 200; }} location /teapot {{ return 418; }} }}",
            cert.display(),
            key.display()
        );
        nginx_command(dir, &server)
    })
}

/// HAProxy where TLS ends, in front of a port: whoever has a certificate of this authority may show
/// it, and the one behind is told (RFC 9440).
pub(crate) fn haproxy((port, behind): (u16, u16), leaf: &Leaf, ca: &Path) -> App {
    App::start_at(port, "haproxy", |dir, port| {
        let read = |file: &Path| std::fs::read_to_string(file).unwrap();
        let pair = read(&leaf.cert_file) + &read(&leaf.key_file);
        std::fs::write(dir.join("pair.pem"), pair).unwrap();
        let config = format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
             frontend visitors\n  \
               bind 127.0.0.1:{port} ssl crt pair.pem ca-file {} verify optional\n  \
               http-request del-header Client-Cert\n  \
               http-request del-header Client-Cert-Chain\n  \
               http-request set-header Client-Cert :%[ssl_c_der,base64]: if {{ ssl_c_used }}\n  \
               http-request set-header X-Forwarded-Proto https\n  \
               http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  \
               default_backend vestibule\n\
             backend vestibule\n  server vestibule 127.0.0.1:{behind}\n",
            ca.display()
        );
        std::fs::write(dir.join("haproxy.cfg"), config).unwrap();
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", "haproxy.cfg"]);
        command
    })
}

/// A WebSocket server on PyPI's `websockets`: echoes each message behind the user it was told.
pub(crate) fn websocket() -> App {
    App::start("websocket", |_, port| {
        let mut command = Command::new(tool("python"));
        command.arg(data("websocket/echo.py")).arg(port.to_string());
        command
    })
}

/// The test's own files.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// A program of the Python environment that script/setup makes.
fn tool(name: &str) -> PathBuf {
    installed(&format!("venv/bin/{name}"))
}

/// nginx in the foreground with this inside its `http` block. It is one process, so that none is left
/// when it is ended.
fn nginx_command(dir: &Path, inside: &str) -> Command {
    let config = format!(
        "master_process off; daemon off; pid nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2;\n\
           fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n{inside}\n}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(dir)
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    command
}
