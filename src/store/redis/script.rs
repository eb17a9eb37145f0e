//! The scripts, and how one is called.
//!
//! A script is known to the server by its hash, and sent in full only to a server that does not
//! know it.

use std::sync::LazyLock;

use redis::{Cmd, aio::MultiplexedConnection, cmd};

use crate::clock::Timestamp;

/// One script with the common part before it.
pub(super) struct Script {
    code: String,
    hash: String,
}

impl Script {
    fn new(body: &str) -> Self {
        Self::whole([include_str!("scripts/common.lua"), body].concat())
    }

    fn whole(code: String) -> Self {
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }

    /// Runs it with these arguments for the keys that begin with `front`.
    pub(super) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        front: &str,
        arguments: &[Vec<u8>],
    ) -> redis::RedisResult<redis::Value> {
        let command = |name: &str, script: &str| -> Cmd {
            let mut command = cmd(name);
            command.arg(script).arg(1).arg(front).arg(arguments);
            command
        };
        let known = command("EVALSHA", &self.hash);
        match known.query_async(connection).await {
            Err(error)
                if error.kind() == redis::ErrorKind::Server(redis::ServerErrorKind::NoScript) =>
            {
                command("EVAL", &self.code).query_async(connection).await
            }
            answer => answer,
        }
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {$(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file))));
    )*};
}

scripts! {
    ADD_HANDLE = "add_handle.lua";
    COUNT = "count.lua";
    FIND = "find.lua";
    FIRST_USE = "first_use.lua";
    ISSUE = "issue.lua";
    LEASE = "lease.lua";
    LIST = "list.lua";
    LOAD = "load.lua";
    NEWEST = "newest.lua";
    NOTE = "note.lua";
    OUTDATED = "outdated.lua";
    PEEK = "peek.lua";
    PUT = "put.lua";
    REFUND = "refund.lua";
    RELEASE = "release.lua";
    REMOVE = "remove.lua";
    REMOVE_ALL = "remove_all.lua";
    REPLACE = "replace.lua";
    SIGNED_IN = "signed_in.lua";
    SINCE = "since.lua";
    SWEEP = "sweep.lua";
    SWEEP_CHANGES = "sweep_changes.lua";
    SWEEP_ONE_TIME = "sweep_one_time.lua";
    TAKE = "take.lua";
    TOUCH = "touch.lua";
    WAS_USED = "was_used.lua";
}

/// The one without the common part.
pub(super) static JOIN: LazyLock<Script> =
    LazyLock::new(|| Script::whole(include_str!("scripts/join.lua").to_owned()));

/// What a call does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Nothing; it may be repeated.
    Read,
    /// It writes something that may be lost with a server.
    Write,
    /// It writes what must not be lost: a use, an end, a session that was promised.
    Promise,
}

/// A script with its arguments.
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) script: &'static Script,
    pub(super) arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(kind: Kind, script: &'static LazyLock<Script>) -> Self {
        Self {
            kind,
            script,
            arguments: Vec::new(),
        }
    }

    /// One more argument.
    pub(super) fn with(mut self, argument: impl Argument) -> Self {
        self.arguments.push(argument.into_octets());
        self
    }

    /// Several more, and how many before them.
    pub(super) fn with_all<T: Argument>(self, arguments: impl ExactSizeIterator<Item = T>) -> Self {
        let counted = self.with(arguments.len());
        arguments.fold(counted, Self::with)
    }
}

/// What can be an argument.
pub(super) trait Argument {
    fn into_octets(self) -> Vec<u8>;
}

impl Argument for Vec<u8> {
    fn into_octets(self) -> Vec<u8> {
        self
    }
}

impl Argument for String {
    fn into_octets(self) -> Vec<u8> {
        self.into_bytes()
    }
}

impl Argument for &str {
    fn into_octets(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Argument for Timestamp {
    fn into_octets(self) -> Vec<u8> {
        self.millis().to_string().into_bytes()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Argument for $number {
            fn into_octets(self) -> Vec<u8> {
                self.to_string().into_bytes()
            }
        }
    )*};
}

numbers!(u16, u32, u64, u128, usize);
