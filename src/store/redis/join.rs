//! Finding the server, and joining the data that it has.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redis::{FromRedisValue, RedisResult, aio::MultiplexedConnection, cmd};
use tokio::time::timeout;

use super::{
    link::{Link, LinkError, Links, STEP},
    options::{Address, Servers},
    script::JOIN,
};

/// How often one node of a cluster may send us on to another.
const HOPS: usize = 4;

/// How often the sentinels are asked whether the master is still the same.
const ASKED_EVERY: Duration = Duration::from_secs(1);

impl Links {
    /// Gives the link up when the sentinels name another master. The former one may serve on for
    /// seconds until it is told, and what it takes in meanwhile is lost.
    pub(super) fn watch(self: &Arc<Self>, link: &Arc<Link>) {
        let Servers::Sentinels {
            addresses, master, ..
        } = &self.options.servers
        else {
            return;
        };
        let (addresses, master) = (addresses.clone(), master.clone());
        let (links, link) = (Arc::downgrade(self), Arc::downgrade(link));
        tokio::spawn(async move {
            for address in addresses.iter().cycle() {
                tokio::time::sleep(ASKED_EVERY).await;
                let (Some(links), Some(link)) = (links.upgrade(), link.upgrade()) else {
                    return;
                };
                if !links.is_current(&link) {
                    return;
                }
                match links.ask_sentinel(address, &master).await {
                    Ok(now) if now != link.address => {
                        tracing::warn!(was = %link.address, %now, "the sentinels name another master");
                        links.give_up(&link);
                        return;
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "a sentinel does not answer"),
                }
            }
        });
    }

    /// Asks each address in turn, each time beginning with another one, and says of all what was
    /// wrong with them.
    pub(super) async fn find(&self) -> Result<Link, LinkError> {
        let (Servers::Cluster(addresses) | Servers::Sentinels { addresses, .. }) =
            &self.options.servers
        else {
            return self.join_at(self.options.servers.first()).await;
        };
        let turn = usize::try_from(self.searches.load(Ordering::Relaxed)).unwrap_or_default();
        let begin = turn.checked_rem(addresses.len()).unwrap_or_default();
        let mut failures = Vec::new();
        for address in addresses.iter().cycle().skip(begin).take(addresses.len()) {
            let found = match &self.options.servers {
                Servers::Sentinels { master, .. } => {
                    match self.ask_sentinel(address, master).await {
                        Ok(server) => self.join_at(server).await,
                        Err(error) => Err(error),
                    }
                }
                Servers::Cluster(_) | Servers::One(_) => self.join_at(address.clone()).await,
            };
            match found {
                Ok(link) => return Ok(link),
                // The others would say the same.
                Err(error @ (LinkError::Evicts { .. } | LinkError::File { .. })) => {
                    return Err(error);
                }
                Err(error) => failures.push(error.to_string()),
            }
        }
        Err(LinkError::Nowhere(failures.join("; ")))
    }

    /// `SENTINEL GET-MASTER-ADDR-BY-NAME`.
    async fn ask_sentinel(&self, address: &Address, master: &str) -> Result<Address, LinkError> {
        let Servers::Sentinels { login, .. } = &self.options.servers else {
            return Ok(address.clone());
        };
        let mut connection = self.connect(address, login, 0).await?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let found: Option<(String, u16)> = within(address, question.query_async(&mut connection))
            .await?
            .map_err(|error| LinkError::Redis(address.clone(), error))?;
        let (host, port) =
            found.ok_or_else(|| LinkError::UnknownMaster(address.clone(), master.to_owned()))?;
        Ok(Address { host, port })
    }

    /// Connects to a server, or to the one that it sends us to, and joins its data.
    async fn join_at(&self, mut address: Address) -> Result<Link, LinkError> {
        let mut hop = 0;
        loop {
            let options = &self.options;
            let mut connection = self
                .connect(&address, &options.login, options.database)
                .await?;
            let state = State::ask(&mut connection, &address).await?;
            state.check(&address, matches!(options.servers, Servers::Cluster(_)))?;
            let feed = match self.join(&mut connection, &address, state.run_id).await? {
                Joined::Feed(feed) => feed,
                Joined::Moved(to) if hop < HOPS => {
                    hop += 1;
                    address = to;
                    continue;
                }
                Joined::Moved(to) => {
                    let message = format!("{address} sends us on to {to}, as all before it did");
                    return Err(LinkError::Nowhere(message));
                }
            };
            let writes = if options.wait_for_replicas > 0 {
                self.connect(&address, &options.login, options.database)
                    .await?
            } else {
                connection.clone()
            };
            return Ok(Link {
                address,
                reads: connection,
                writes,
                front: self.front(),
                feed,
                wait_for_replicas: options.wait_for_replicas,
            });
        }
    }

    /// See `join.lua`. Without a run id every link is to another server.
    async fn join(
        &self,
        connection: &mut MultiplexedConnection,
        address: &Address,
        run_id: Option<String>,
    ) -> Result<Joined, LinkError> {
        let chance = || u128::from_be_bytes(self.random.bytes()).to_string();
        let before = self.joined.lock().clone();
        let arguments = [
            run_id.unwrap_or_else(chance),
            before.unwrap_or_default(),
            chance(),
        ]
        .map(String::into_bytes);
        let front = self.front();
        let joining = JOIN.run(connection, &front, &arguments);
        match within(address, joining).await? {
            Ok(answer) => {
                let feed = String::from_redis_value(answer)
                    .map_err(|error| LinkError::Redis(address.clone(), error.into()))?;
                *self.joined.lock() = Some(feed.clone());
                Ok(Joined::Feed(feed))
            }
            Err(error) => match error
                .redirect_node()
                .and_then(|(to, _)| parsed(to, address))
            {
                Some(to) => Ok(Joined::Moved(to)),
                None => Err(LinkError::Redis(address.clone(), error)),
            },
        }
    }

    /// What all keys begin with.
    fn front(&self) -> String {
        format!("{{{}}}", self.options.prefix)
    }
}

impl Servers {
    /// The first of them.
    fn first(&self) -> Address {
        let list = match self {
            Self::One(address) => return address.clone(),
            Self::Cluster(addresses) | Self::Sentinels { addresses, .. } => addresses,
        };
        list.first().cloned().unwrap_or_else(|| Address {
            host: "localhost".to_owned(),
            port: 6379,
        })
    }
}

/// Whether the keys are here.
enum Joined {
    Feed(String),
    Moved(Address),
}

/// `HOST:PORT` of a redirection. A node that does not know its own name leaves the host out: it is
/// the one that we asked.
fn parsed(text: &str, asked: &Address) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Address {
        host: if host.is_empty() { &asked.host } else { host }.to_owned(),
        port: port.parse().ok()?,
    })
}

async fn within<T>(
    address: &Address,
    asked: impl Future<Output = RedisResult<T>>,
) -> Result<RedisResult<T>, LinkError> {
    timeout(STEP, asked)
        .await
        .map_err(|_| LinkError::Silent(address.clone()))
}

/// What a server says of itself.
#[derive(Debug, Default)]
struct State {
    run_id: Option<String>,
    role: Option<String>,
    /// Only where memory is limited.
    eviction: Option<String>,
}

impl State {
    /// `INFO`. A server that does not let us ask it is believed to be fit.
    async fn ask(
        connection: &mut MultiplexedConnection,
        address: &Address,
    ) -> Result<Self, LinkError> {
        let question = cmd("INFO");
        match within(address, question.query_async::<String>(connection)).await? {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.code() == Some("NOPERM") => {
                tracing::warn!(
                    %address,
                    "the sessions' server does not let us see its settings (INFO): make sure that \
                     its maxmemory-policy is noeviction"
                );
                Ok(Self::default())
            }
            Err(error) => Err(LinkError::Redis(address.clone(), error)),
        }
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let told: HashMap<_, _> = lines.collect();
        let get = |name| told.get(name).map(|value: &&str| (*value).to_owned());
        let is_limited = get("maxmemory").is_some_and(|most| most != "0");
        Self {
            run_id: get("run_id"),
            role: get("role"),
            eviction: get("maxmemory_policy").filter(|_| is_limited),
        }
    }

    fn check(&self, address: &Address, is_cluster: bool) -> Result<(), LinkError> {
        if let Some(policy) = self
            .eviction
            .as_ref()
            .filter(|policy| *policy != "noeviction")
        {
            return Err(LinkError::Evicts {
                address: address.clone(),
                policy: policy.clone(),
            });
        }
        // A replica in a cluster sends us on by itself.
        if let Some(role) = self
            .role
            .as_ref()
            .filter(|role| *role != "master" && !is_cluster)
        {
            return Err(LinkError::NotMaster {
                address: address.clone(),
                role: role.clone(),
            });
        }
        Ok(())
    }
}
