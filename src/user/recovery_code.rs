//! Recovery codes as people read and type them.

/// The digits of Crockford's base32: none looks like another.
const CODE_DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CODE_LENGTH: usize = 10;

/// A code of 50 bits, as it is shown: `7k3vq-9xw2m`.
pub(super) fn draw_code(drawn: [u8; 8]) -> String {
    let bits = u64::from_be_bytes(drawn);
    let digits = (0..CODE_LENGTH).filter_map(|at| {
        let index = usize::try_from((bits >> (5 * at)) & 31).ok()?;
        CODE_DIGITS.get(index).copied().map(char::from)
    });
    let mut code: String = digits.collect();
    code.insert(CODE_LENGTH / 2, '-');
    code
}

/// A code as it is hashed, whatever it was typed like; `None` for what is none.
pub(super) fn plain_code(typed: &str) -> Option<String> {
    let digits = typed.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let plain: String = digits
        .map(|digit| match digit.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        })
        .take(CODE_LENGTH + 1)
        .collect();
    let known = |byte: u8| CODE_DIGITS.contains(&byte);
    (plain.len() == CODE_LENGTH && plain.bytes().all(known)).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let shown = draw_code([0, 0b11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(shown, "zzzzz-zzzzz");
        assert_eq!(draw_code([0; 8]), "00000-00000");
        assert_ne!(
            draw_code([0, 1, 0, 0, 0, 0, 0, 0]),
            draw_code([0; 8]),
            "bit 48"
        );
        assert_eq!(
            draw_code([0, 4, 0, 0, 0, 0, 0, 0]),
            draw_code([0; 8]),
            "bit 50"
        );
        let plain = Some("01x3vq9xw2".to_owned());
        for typed in [
            "01x3v-q9xw2",
            "OLX3VQ9XW2",
            " o i x 3 v q 9 x w 2 ",
            "01X3V - Q9XW2",
        ] {
            assert_eq!(plain_code(typed), plain, "{typed}");
        }
        for bad in [
            "",
            "01x3v-q9xw",
            "01x3v-q9xw22",
            "u1x3v-q9xw2",
            "é1x3v-q9xw",
        ] {
            assert_eq!(plain_code(bad), None, "{bad}");
        }
    }
}
