//! The socket by which commands reach the running process: the operator's alone.
//!
//! Two things keep others out, and each would do. The file is 0600 before anybody can connect, and
//! whoever connects must be the user that this process runs as, or root.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, bail};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// How many commands may wait to be taken.
const BACKLOG: u32 = 64;

/// Listens at `path`, in place of a socket that a killed process left there.
pub(super) async fn open(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    if UnixStream::connect(path).await.is_ok() {
        bail!("another process listens there");
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => bail!("there is something else than a socket"),
        Err(_) => {}
    }
    Ok(bound(path)?.listen(BACKLOG)?)
}

/// A socket that has its place and its mode. Nobody can connect before it listens, so whatever the
/// umask lets others do in between opens nothing.
fn bound(path: &Path) -> anyhow::Result<UnixSocket> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(socket)
}

/// Whether the operator is at the other end. The mode of the file says so too, as long as nobody
/// changes it.
pub(super) fn operator(stream: &UnixStream) -> anyhow::Result<()> {
    let peer = stream.peer_cred().context("nobody knows who asks")?.uid();
    if !is_operator(peer, rustix::process::geteuid().as_raw()) {
        bail!("user {peer} asks, who neither runs this process nor is root");
    }
    Ok(())
}

fn is_operator(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn nobody_connects_before_the_mode_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/admin.sock");
        fs::create_dir(folder.path().join("deep")).unwrap();
        let socket = bound(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        let refused = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        drop(socket);
        // What a killed process left is replaced; a process that lives, or a file, is not.
        let _listener = open(&path).await.unwrap();
        assert_eq!(mode(&path), 0o600);
        UnixStream::connect(&path).await.unwrap();
        assert!(open(&path).await.is_err());
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(open(&file).await.is_err());
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }

    #[tokio::test]
    async fn the_operator_and_root_command() {
        assert!(is_operator(1000, 1000) && is_operator(0, 1000) && is_operator(0, 0));
        assert!(!is_operator(1001, 1000) && !is_operator(1000, 0));
        let (stream, _other) = UnixStream::pair().unwrap();
        operator(&stream).unwrap();
    }
}
