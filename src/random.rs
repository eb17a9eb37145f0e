//! Chance comes in by the door: everything that draws a token holds a [`Random`].

use std::fmt;

/// A source of unpredictable bytes.
pub(crate) trait Random: fmt::Debug + Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Random + '_ {
    /// `N` unpredictable bytes.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

/// The operating system's generator.
#[derive(Debug)]
pub(crate) struct OsRandom;

impl Random for OsRandom {
    #[expect(
        clippy::expect_used,
        reason = "without the kernel's generator no token may be made; the panic denies the request"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system's random generator answers");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// As many as an attacker could look at.
    const DRAWN: usize = 100_000;

    #[test]
    fn no_two_are_alike_and_no_bit_is_foretold() {
        let random: &dyn Random = &OsRandom;
        let all: HashSet<[u8; 16]> = (0..DRAWN).map(|_| random.bytes()).collect();
        assert_eq!(all.len(), DRAWN);
        for bit in 0..128 {
            let set = |drawn: &&[u8; 16]| drawn[bit / 8] >> (bit % 8) & 1 == 1;
            let ones = all.iter().filter(set).count();
            // six standard deviations: sqrt(100,000) / 2 = 158
            let far = ones.abs_diff(DRAWN / 2);
            assert!(far < 6 * 158, "bit {bit} is set {ones} times");
        }
    }
}
