//! An authenticator app: `oathtool`, which is not ours.

use std::process::Command;

/// What an app was given, and which steps it has shown.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    secret: String,
    /// The step after the last one that was shown.
    next: u64,
}

const STEP: u64 = 30;
/// A code is typed within so many seconds before its step is over, on a busy machine too.
const MARGIN: u64 = 12;

impl Authenticator {
    /// Takes the secret in as a person types it.
    pub(crate) fn with(secret: &str) -> Self {
        let secret: String = secret.chars().filter(|c| !c.is_whitespace()).collect();
        Self { secret, next: 0 }
    }

    /// What the page that sets one up shows.
    #[track_caller]
    pub(crate) fn scan(page: &str) -> Self {
        let links = super::forms::links(page);
        let link = links.iter().find(|link| link.starts_with("otpauth://"));
        let link = link.unwrap_or_else(|| panic!("no secret in {page}"));
        let secret = link.split_once("secret=").unwrap().1;
        Self::with(secret.split('&').next().unwrap())
    }

    /// The secret, in base32.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// The code of a step.
    pub(crate) fn at(&self, step: u64) -> String {
        let output = Command::new("oathtool")
            .args(["--totp", "--base32", "--now"])
            .arg(format!("@{}", step * STEP))
            .arg(&self.secret)
            .output()
            .expect("oathtool; run script/setup test");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A code that is good now and was not shown before: that of the step before this one at first.
    /// It waits where all that are good were shown.
    pub(crate) fn code(&mut self) -> String {
        loop {
            let step = self.next.max(now() / STEP - 1);
            // that of a step that is nearly over would come too late
            let last = (step + 2) * STEP;
            if step <= now() / STEP + 1 && now() + MARGIN < last {
                self.next = step + 1;
                return self.at(step);
            }
            if step < now() / STEP + 1 && now() + MARGIN >= last {
                self.next = step + 1;
                continue;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }

    /// The step of now.
    pub(crate) fn step() -> u64 {
        now() / STEP
    }
}

/// Seconds since the epoch.
fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
