//! Users, and the port that joins them with their identities, accounts, pins and events.

use async_trait::async_trait;

use super::{
    RENAME_PATIENCE, Sql,
    dialect::Text,
    query::query,
    row::{count, number, parsed},
    search::{LIST, SEARCH, holds_nul, substring},
    user_rows::record,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Identity, Subject, UserId},
    store::{
        AccountAdded, AccountRecord, Change, Created, Event, IdentityRecord, NewUser, Pin, Pinned,
        Renamed, StoreError, Unlinked, UserRecord, UserStore,
    },
};

const BY_ID: &str = "SELECT users.* FROM users WHERE id = ?1";

pub(super) const BY_HANDLE: &str = "SELECT users.* FROM users WHERE handle = ?1";

pub(super) const BY_IDENTITY: &str = "SELECT users.* FROM identities \
    JOIN users ON users.id = identities.user_id \
    WHERE identities.connection = ?1 AND identities.subject = ?2";

pub(super) const OWNER: Text = Text::Each {
    mysql: "SELECT id FROM users WHERE owner = 1 LIMIT 1",
    postgres: "SELECT id FROM users WHERE owner LIMIT 1",
    sqlite: "SELECT id FROM users WHERE owner = 1 LIMIT 1",
};

#[async_trait]
impl UserStore for Sql {
    async fn find(&self, id: &UserId) -> Result<Option<UserRecord>, StoreError> {
        self.within_patience(self.one_user(BY_ID, id.as_str(), None))
            .await
    }

    async fn find_by_handle(&self, handle: &str) -> Result<Option<UserRecord>, StoreError> {
        self.within_patience(self.one_user(BY_HANDLE, handle, None))
            .await
    }

    async fn find_by_identity(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
    ) -> Result<Option<UserRecord>, StoreError> {
        self.within_patience(self.one_user(
            BY_IDENTITY,
            connection.as_str(),
            Some(subject.as_str()),
        ))
        .await
    }

    async fn identities(&self, id: &UserId) -> Result<Vec<IdentityRecord>, StoreError> {
        self.within_patience(self.identities_of(id)).await
    }

    async fn create(&self, new: NewUser) -> Result<Created, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let created = write.create_user(&new).await?;
            write.end(created == Created::Created).await?;
            Ok(created)
        })
        .await
    }

    async fn create_all(&self, new: Vec<NewUser>) -> Result<Vec<Created>, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let mut all = Vec::with_capacity(new.len());
            for new in &new {
                write.command("SAVEPOINT one").await?;
                let created = write.create_user(new).await?;
                if created != Created::Created {
                    write.command("ROLLBACK TO SAVEPOINT one").await?;
                }
                write.command("RELEASE SAVEPOINT one").await?;
                all.push(created);
            }
            write.end(true).await?;
            Ok(all)
        })
        .await
    }

    async fn replace(
        &self,
        user: UserRecord,
        was: u64,
        event: Option<Event>,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let replaced = write.update_user(&user, was).await?;
            if replaced {
                write.note_changes(&[Change::User(user.id.clone())]).await?;
                write.record(event.as_ref()).await?;
            }
            write.end(replaced).await?;
            Ok(replaced)
        })
        .await
    }

    async fn refresh_identity(
        &self,
        identity: &Identity,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let known = write.refresh(identity, at).await?;
            write.end(known).await?;
            Ok(known)
        })
        .await
    }

    async fn delete(&self, id: &UserId, event: Event) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let deleted = write.delete_user(id).await?;
            if deleted {
                write.note_changes(&[Change::User(id.clone())]).await?;
                write.record(Some(&event)).await?;
            }
            write.end(deleted).await?;
            Ok(deleted)
        })
        .await
    }

    async fn add_identity(
        &self,
        identity: &Identity,
        to: &UserId,
        event: Event,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let added =
                write.lock_user(to).await? && write.insert_identity(identity, to, event.at).await?;
            if added {
                write.note_changes(&[Change::User(to.clone())]).await?;
                write.record(Some(&event)).await?;
            }
            write.end(added).await?;
            Ok(added)
        })
        .await
    }

    async fn link(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
        to: &UserId,
        event: Event,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let moved = write.move_identity(connection, subject, to).await?;
            if moved {
                write.record(Some(&event)).await?;
            }
            write.end(moved).await?;
            Ok(moved)
        })
        .await
    }

    async fn unlink(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
        user: UserRecord,
        event: Event,
    ) -> Result<Unlinked, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let unlinked = write.unlink(connection, subject, &user).await?;
            let done = unlinked == Unlinked::Unlinked;
            if done {
                write.record(Some(&event)).await?;
            }
            write.end(done).await?;
            Ok(unlinked)
        })
        .await
    }

    async fn list(
        &self,
        search: Option<&str>,
        after: Option<&UserId>,
        most: usize,
    ) -> Result<Vec<UserRecord>, StoreError> {
        if search.is_some_and(holds_nul) {
            return Ok(Vec::new());
        }
        self.within_patience(async {
            let statement = search.map_or(Text::Same(LIST), |_| SEARCH);
            let rows = query(statement)
                .bind(after.map_or("", UserId::as_str))
                .bind(number(most))
                .bind(search.map(substring))
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(record).collect()
        })
        .await
    }

    async fn counts(&self) -> Result<Vec<(ConnectionId, u64)>, StoreError> {
        self.within_patience(async {
            let rows = query(
                "SELECT connection, COUNT(DISTINCT user_id) AS users FROM identities \
                 GROUP BY connection ORDER BY connection",
            )
            .fetch_all(&self.readers)
            .await?;
            rows.iter()
                .map(|row| Ok((parsed(row, "connection")?, count(row, "users")?)))
                .collect()
        })
        .await
    }

    async fn has_owner(&self) -> Result<bool, StoreError> {
        self.within_patience(async {
            let row = query(OWNER).fetch_optional(&self.readers).await?;
            Ok(row.is_some())
        })
        .await
    }

    async fn account_by_login(
        &self,
        connection: &ConnectionId,
        login: &str,
    ) -> Result<Option<AccountRecord>, StoreError> {
        if holds_nul(login) {
            return Ok(None);
        }
        self.within_patience(self.account_at(connection, login))
            .await
    }

    async fn account(
        &self,
        connection: &ConnectionId,
        subject: &Subject,
    ) -> Result<Option<AccountRecord>, StoreError> {
        self.within_patience(self.account_of(connection, subject))
            .await
    }

    async fn count_accounts(&self, connection: &ConnectionId) -> Result<u64, StoreError> {
        self.within_patience(self.accounts_with_password(connection))
            .await
    }

    async fn add_account(
        &self,
        account: AccountRecord,
        event: Option<Event>,
    ) -> Result<AccountAdded, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let added = write.add_account(&account).await?;
            if added == AccountAdded::Added {
                write.record(event.as_ref()).await?;
            }
            write.end(added == AccountAdded::Added).await?;
            Ok(added)
        })
        .await
    }

    async fn replace_account(
        &self,
        account: AccountRecord,
        was: u64,
        event: Option<Event>,
    ) -> Result<bool, StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            let replaced = write.update_account(&account, was).await?;
            if replaced {
                write.record(event.as_ref()).await?;
            }
            write.end(replaced).await?;
            Ok(replaced)
        })
        .await
    }

    async fn pin(&self, pins: &[(ConnectionId, Pin)]) -> Result<Vec<Pinned>, StoreError> {
        self.change(|| self.compare_pins(pins)).await
    }

    async fn adopt(
        &self,
        connection: &ConnectionId,
        pin: &Pin,
        event: Event,
    ) -> Result<(), StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            write.replace_pin(connection, pin).await?;
            write.record(Some(&event)).await?;
            write.end(true).await
        })
        .await
    }

    async fn rename(
        &self,
        from: &ConnectionId,
        to: &ConnectionId,
        event: Event,
    ) -> Result<Renamed, StoreError> {
        self.change_within(RENAME_PATIENCE, || async {
            let mut write = self.write().await?;
            write.take_time().await?;
            let renamed = write.rename_connection(from, to).await?;
            let done = matches!(renamed, Renamed::Renamed(_));
            if done {
                write.record(Some(&event)).await?;
            }
            write.end(done).await?;
            Ok(renamed)
        })
        .await
    }

    async fn events(&self, most: usize) -> Result<Vec<Event>, StoreError> {
        self.within_patience(self.newest_events(most)).await
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.change(|| async {
            let mut write = self.write().await?;
            write.record(Some(&event)).await?;
            write.end(true).await
        })
        .await
    }

    async fn sweep_events(&self, before: Timestamp, most: usize) -> Result<u64, StoreError> {
        self.forget_events(before, most).await
    }
}

impl Sql {
    async fn one_user(
        &self,
        statement: &'static str,
        key: &str,
        second: Option<&str>,
    ) -> Result<Option<UserRecord>, StoreError> {
        let mut query = query(statement).bind(key);
        if let Some(second) = second {
            query = query.bind(second);
        }
        let row = query.fetch_optional(&self.readers).await?;
        row.as_ref().map(record).transpose()
    }
}
