//! Opening a file of SQLite: where it lies, who may read it, and whether this program may use it.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    PATIENCE, Sql,
    dialect::Dialect,
    migrate::{bring_up_to_date, known},
    pool::Pool,
};
use crate::{clock::Clock, metrics, store::StoreError};

/// How long a statement waits for another process's lock, and a call for a connection.
const WAIT: Duration = Duration::from_secs(2);

/// As many as can be busy at once on a small machine; each keeps a thread and up to 2 MiB.
const READERS: u32 = 4;

/// After a burst of writes the WAL's file shrinks back to this.
const WAL_KEPT: &str = "16777216";

impl Sql {
    /// The file that a storage URL names: `sqlite://` and a path, relative or absolute.
    pub(crate) fn path_in(url: &str) -> Option<PathBuf> {
        let path = url.strip_prefix("sqlite://")?;
        let plain = !path.is_empty() && path != ":memory:" && !path.contains(['?', '#', '\0']);
        plain.then(|| path.into())
    }

    /// Opens the file, or makes it (0600, missing directories 0700), and brings its schema up to
    /// date. A file that demands a newer program is refused.
    pub(crate) async fn open_file(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_file_with(path, clock, known(Dialect::Sqlite)).await
    }

    /// The same for a program that knows these migrations.
    pub(super) async fn open_file_with(
        path: &Path,
        clock: Arc<dyn Clock>,
        migrations: &Migrator,
    ) -> Result<Self, StoreError> {
        let work = async {
            prepare_file(path)?;
            let writer = ready_writer(path, migrations).await?;
            let readers = connect_readers(path).await?;
            Ok(Self {
                clock,
                readers: Pool::Sqlite(readers),
                writers: writer,
            })
        };
        work.await
            .inspect_err(|_: &StoreError| metrics::STORE_ERRORS.inc())
    }

    /// Writes what is still in the WAL into the file and closes it.
    #[cfg(test)]
    pub(crate) async fn close(&self) {
        let closing = async {
            self.readers.close().await;
            self.writers.close().await;
        };
        // Late or not, what was committed is on the disk.
        let _ = tokio::time::timeout(PATIENCE, closing).await;
    }
}

/// Makes the file, for its owner alone. An existing file is not opened here: closing it again
/// would drop the locks that SQLite holds on it elsewhere in this process (POSIX advisory locks).
fn prepare_file(path: &Path) -> Result<(), StoreError> {
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(file_error)?;
    }
    let created = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path).map_err(file_error)?.permissions().mode();
            if mode & 0o077 != 0 {
                tracing::warn!(
                    path = %path.display(),
                    mode = format!("{:03o}", mode & 0o777),
                    "others may read the storage; it holds password hashes: chmod 600"
                );
            }
            Ok(())
        }
        Err(error) => Err(file_error(error)),
    }
}

fn file_error(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull => {
            StoreError::Full(Box::new(error))
        }
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

/// The writer of a file that is up to date. Where several processes start at once, each holds the
/// file for a moment while it turns the journal into a WAL, and the others do not wait for that by
/// themselves.
async fn ready_writer(path: &Path, migrations: &Migrator) -> Result<Pool, StoreError> {
    const PAUSE: Duration = Duration::from_millis(50);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let attempt = async {
            let writer = Pool::Sqlite(connect_writer(path).await?);
            bring_up_to_date(&writer, migrations).await?;
            Ok(writer)
        };
        match attempt.await {
            Err(StoreError::Unavailable(_)) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

async fn connect_writer(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = connection_options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", WAL_KEPT);
    pool_options(1).connect_with(options).await
}

async fn connect_readers(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    pool_options(READERS)
        .connect_with(connection_options(path).read_only(true))
        .await
}

fn connection_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(WAIT)
}

fn pool_options(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(most)
        .acquire_timeout(WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
}
