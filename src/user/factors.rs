//! Second factors: what somebody proves besides the first proof, wherever that came from.
//!
//! A factor belongs to the user, so it is the same whichever connection they come by. Its secret is
//! sealed under the root secret, which outlives every key of the ring. A try is paid for from a
//! budget of the user's ([`Throttle::factor`]) before it is compared, and each time step counts
//! once, in the store. Whoever succeeds holds a [`SecondProof`], which nobody else makes.

use std::{fmt, sync::Arc};

use super::{
    Directory, Origin,
    recovery_code::{draw_code, plain_code},
};
use crate::{
    clock::Timestamp,
    connection::{Allowance, FactorCodes, SealedRows, Throttle, Throttled, passkey},
    crypto::{self, BadTotpSecret, KeyRing, MacKey, Place, Purpose, TotpSecret},
    identity::{Authentication, UserId},
    store::{EventKind, FactorId, FactorKind, FactorRecord, FactorStore, StoreError},
};

/// How many factors somebody may have: a telephone, its successor, a few more.
pub(crate) const MOST_FACTORS: usize = 8;
/// How many recovery codes are made at once.
const RECOVERY_CODES: usize = 10;
/// The longest name of a factor, in characters.
pub(crate) const MOST_NAME: usize = 40;

/// The second factors of all users.
pub(crate) struct Factors {
    pub(super) directory: Arc<Directory>,
    pub(super) passkeys: Arc<passkey::Records>,
    pub(super) throttle: Arc<Throttle>,
    /// Of the root secret alone.
    pub(super) sealing: KeyRing,
    /// Hashes recovery codes.
    codes: MacKey,
    pub(super) emailed: FactorCodes,
}

impl fmt::Debug for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factors").finish_non_exhaustive()
    }
}

/// Somebody proved a second factor of theirs just now.
#[derive(Debug)]
#[must_use = "it belongs into an authentication"]
pub(crate) struct SecondProof {
    at: Timestamp,
    /// By what (RFC 8176 section 2).
    methods: Vec<&'static str>,
}

impl SecondProof {
    pub(super) fn new(at: Timestamp, methods: Vec<&'static str>) -> Self {
        Self { at, methods }
    }

    /// By a one-time password.
    pub(super) fn otp(at: Timestamp) -> Self {
        Self::new(at, vec!["otp"])
    }

    /// Adds it to the first proof: its own methods, and with them more than one factor (RFC 8176
    /// section 2).
    pub(crate) fn add_to(self, authentication: &mut Authentication) {
        for method in self.methods.into_iter().chain(["mfa"]) {
            if !authentication.amr.iter().any(|known| known == method) {
                authentication.amr.push(method.to_owned());
            }
        }
        authentication.second_factor_at = Some(self.at);
    }
}

/// Why somebody did not prove a second factor.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactorRefusal {
    #[error("no code that was sent is awaited")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Throttled(Timestamp),
    #[error("it is no one-time password or recovery code that is good now")]
    Wrong,
}

impl From<Throttled> for FactorRefusal {
    fn from(throttled: Throttled) -> Self {
        match throttled {
            Throttled::Store(error) => Self::Store(error),
            Throttled::Until(until) => Self::Throttled(until),
        }
    }
}

/// Recovery codes that were made just now, as the person reads them. They are shown once.
pub(crate) type RecoveryCodes = Vec<String>;

impl Factors {
    /// The factors in the users' store, under keys derived from the root secret.
    pub(crate) fn new(
        directory: Arc<Directory>,
        passkeys: Arc<passkey::Records>,
        throttle: Arc<Throttle>,
        (root, rows): (&[u8], SealedRows),
    ) -> Self {
        Self {
            directory,
            passkeys,
            throttle,
            sealing: KeyRing::of_root(root),
            codes: MacKey::new(&crypto::derive(root, "recovery codes")),
            emailed: FactorCodes::new(rows),
        }
    }

    pub(super) fn store(&self) -> &dyn FactorStore {
        self.directory.users.as_ref()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.directory.clock.now()
    }

    /// A user's factors, oldest first.
    pub(crate) async fn of(&self, user: &UserId) -> Result<Vec<FactorRecord>, StoreError> {
        self.store().factors(user).await
    }

    /// How many recovery codes of theirs are left.
    pub(crate) async fn recovery_codes_left(&self, user: &UserId) -> Result<u64, StoreError> {
        self.store().recovery_codes_left(user).await
    }

    /// Tries a one-time password of this user.
    pub(crate) async fn prove(
        &self,
        user: &UserId,
        typed: &str,
        origin: &Origin,
    ) -> Result<SecondProof, FactorRefusal> {
        let allowance = self.pay(self.throttle.factor(user).await, user, origin)?;
        let now = self.now();
        for factor in self.of(user).await? {
            let FactorKind::Totp { sealed, .. } = &factor.kind else {
                continue;
            };
            let secret = self.open(&factor, sealed)?;
            let Some(step) = secret.step_of(typed, now) else {
                continue;
            };
            let event = origin.event(now, EventKind::FactorUsed, factor.kind.name());
            let event = event.user(user);
            if self
                .store()
                .use_step(factor.id, step, event.clone())
                .await?
            {
                event.log();
                self.throttle.succeeded(allowance).await?;
                return Ok(SecondProof::otp(now));
            }
            self.failed(user, "replayed", origin).await?;
            return Err(FactorRefusal::Wrong);
        }
        self.failed(user, "wrong-code", origin).await?;
        Err(FactorRefusal::Wrong)
    }

    /// Tries a recovery code of this user, which is used up.
    pub(crate) async fn recover(
        &self,
        user: &UserId,
        typed: &str,
        origin: &Origin,
    ) -> Result<SecondProof, FactorRefusal> {
        let allowance = self.pay(self.throttle.recovery(user).await, user, origin)?;
        let now = self.now();
        let event = origin.event(now, EventKind::RecoveryCodeUsed, "person");
        let event = event.user(user);
        if let Some(code) = plain_code(typed) {
            let hash = self.code_hash(user, &code);
            let used = self.store().use_recovery_code(user, &hash, event.clone());
            if used.await? {
                event.log();
                self.throttle.succeeded(allowance).await?;
                return Ok(SecondProof::otp(now));
            }
        }
        self.failed(user, "wrong-recovery-code", origin).await?;
        Err(FactorRefusal::Wrong)
    }

    /// What a try costs; that none was made is noted.
    pub(super) fn pay(
        &self,
        paid: Result<Allowance, Throttled>,
        user: &UserId,
        origin: &Origin,
    ) -> Result<Allowance, FactorRefusal> {
        if let Err(Throttled::Until(_)) = &paid {
            let event = origin.event(self.now(), EventKind::FactorFailed, "throttled");
            event.user(user).log();
        }
        Ok(paid?)
    }

    /// A failure is recorded: nobody causes one without the first proof, and their number is
    /// bounded.
    pub(super) async fn failed(
        &self,
        user: &UserId,
        why: &str,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let event = origin
            .event(self.now(), EventKind::FactorFailed, why)
            .user(user);
        event.log();
        self.directory.users.record(event).await
    }

    /// Recovery codes for whoever has none.
    pub(crate) async fn first_recovery_codes(
        &self,
        user: &UserId,
        origin: &Origin,
    ) -> Result<Option<RecoveryCodes>, StoreError> {
        if self.recovery_codes_left(user).await? > 0 {
            return Ok(None);
        }
        self.new_recovery_codes(user, origin).await
    }

    fn open(&self, factor: &FactorRecord, sealed: &[u8]) -> Result<TotpSecret, StoreError> {
        let context: [&[u8]; 3] = [b"totp", factor.user.as_str().as_bytes(), &factor.id.0];
        let damage = |why: &dyn fmt::Display| {
            StoreError::Corrupt(format!("the secret of the factor {}: {why}", factor.id))
        };
        let octets = crypto::open(&self.sealing, place(&context), sealed);
        let octets = zeroize::Zeroizing::new(octets.map_err(|error| damage(&error))?);
        TotpSecret::from_octets(&octets).map_err(|error: BadTotpSecret| damage(&error))
    }

    /// The secrets of a user's TOTPs, for who moves them elsewhere.
    pub(crate) async fn secrets(&self, user: &UserId) -> Result<Vec<TotpSecret>, StoreError> {
        let mut secrets = Vec::new();
        for factor in self.of(user).await? {
            if let FactorKind::Totp { sealed, .. } = &factor.kind {
                secrets.push(self.open(&factor, sealed)?);
            }
        }
        Ok(secrets)
    }

    /// Gives a factor another name.
    pub(crate) async fn rename(
        &self,
        user: &UserId,
        id: FactorId,
        name: &str,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let event = origin.event(self.now(), EventKind::FactorRenamed, "person");
        let event = event.user(user);
        let name = plain_name(name);
        let renamed = self.store().rename_factor(user, id, &name, event.clone());
        Ok(logged(renamed.await?, &event))
    }

    /// Removes a factor, and with the last one the recovery codes.
    pub(crate) async fn remove(
        &self,
        user: &UserId,
        id: FactorId,
        reason: &str,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let event = origin.event(self.now(), EventKind::FactorRemoved, reason);
        let event = event.user(user);
        let removed = self.store().remove_factor(user, id, event.clone());
        Ok(logged(removed.await?, &event))
    }

    /// Ten new recovery codes, which are the only ones from now on; `None` for somebody without a
    /// factor.
    pub(crate) async fn new_recovery_codes(
        &self,
        user: &UserId,
        origin: &Origin,
    ) -> Result<Option<RecoveryCodes>, StoreError> {
        let random = self.directory.random.as_ref();
        let codes: RecoveryCodes = (0..RECOVERY_CODES)
            .map(|_| draw_code(random.bytes()))
            .collect();
        let hashes: Vec<_> = codes
            .iter()
            .filter_map(|code| Some(self.code_hash(user, &plain_code(code)?)))
            .collect();
        let event = origin.event(self.now(), EventKind::RecoveryCodesMade, "person");
        let event = event.user(user);
        let made = self
            .store()
            .replace_recovery_codes(user, &hashes, Some(event.clone()));
        Ok(logged(made.await?, &event).then_some(codes))
    }

    /// Takes all factors and codes of a user away, because they lost them; says how many factors
    /// there were.
    pub(crate) async fn reset(
        &self,
        user: &UserId,
        reason: &str,
        origin: &Origin,
    ) -> Result<u64, StoreError> {
        let event = origin.event(self.now(), EventKind::FactorsReset, reason);
        let event = event.user(user);
        let removed = self.store().reset_factors(user, event.clone()).await?;
        logged(removed > 0, &event);
        Ok(removed)
    }

    /// A keyed hash is enough: a code has 50 random bits, and nobody tries them without the key,
    /// which is not in the store.
    fn code_hash(&self, user: &UserId, code: &str) -> [u8; 32] {
        self.codes
            .sign(&[user.as_str().as_bytes(), code.as_bytes()])
    }
}

fn logged(done: bool, event: &crate::store::Event) -> bool {
    if done {
        event.log();
    }
    done
}

pub(super) fn place<'a>(context: &'a [&'a [u8]]) -> Place<'a> {
    Place {
        purpose: Purpose::Factor,
        context,
    }
}

/// What a person calls a factor: without control characters, and not too long.
pub(super) fn plain_name(typed: &str) -> String {
    let plain = typed.trim().chars().filter(|c| !c.is_control());
    plain.take(MOST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        assert_eq!(plain_name(" My\u{0}\n phone "), "My phone");
        assert_eq!(plain_name(&"ä".repeat(99)), "ä".repeat(40));
    }

    #[test]
    fn a_second_proof_is_told_in_the_words_of_rfc_8176() {
        let mut held = Authentication {
            connection: "members".parse().unwrap(),
            subject: "a".parse().unwrap(),
            auth_time: Timestamp::from_millis(1),
            amr: vec!["pwd".to_owned()],
            acr: None,
            proven_at: None,
            second_factor_at: None,
        };
        let at = Timestamp::from_millis(9);
        SecondProof::otp(at).add_to(&mut held);
        SecondProof::otp(at).add_to(&mut held);
        SecondProof::new(at, vec!["pop", "user"]).add_to(&mut held);
        assert_eq!(held.amr, ["pwd", "otp", "mfa", "pop", "user"]);
        assert_eq!(held.auth_time, Timestamp::from_millis(1));
        assert_eq!(held.second_factor_at, Some(at));
    }
}
