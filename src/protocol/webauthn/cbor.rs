//! CBOR (RFC 8949) as authenticators write it: the canonical form of CTAP 2.1 section 8, less the
//! order of keys.
//!
//! Lengths are definite and in their shortest form, no key is there twice, there are no tags and no
//! fractions, and nothing is nested deeper than an attestation is. What is read borrows from what
//! came, so nothing that a length claims is made room for.

/// How deep arrays and maps may be in each other. The certificates of an attestation are at three.
const MOST_DEPTH: usize = 6;
/// The most items of an array, and keys of a map: both have a handful.
const MOST_ITEMS: u64 = 64;

/// One data item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Array(Vec<Value<'a>>),
    Bool(bool),
    Bytes(&'a [u8]),
    Int(i64),
    Map(Vec<(Value<'a>, Value<'a>)>),
    Null,
    Text(&'a str),
}

impl<'a> Value<'a> {
    /// The value under a key of a map.
    pub(super) fn get(&self, key: &Value<'_>) -> Option<&Value<'a>> {
        let Self::Map(pairs) = self else { return None };
        pairs
            .iter()
            .find_map(|(known, value)| (known == key).then_some(value))
    }

    /// The same under a number.
    pub(super) fn at(&self, key: i64) -> Option<&Value<'a>> {
        self.get(&Value::Int(key))
    }

    /// The octets.
    pub(super) fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number.
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The text.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Why it is not CBOR that an authenticator writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CborError {
    #[error("it goes on after its end")]
    Excess,
    #[error("an integer does not fit 64 bits")]
    IntTooLarge,
    #[error("a length is not in its shortest form")]
    LongForm,
    #[error("it ends too soon")]
    Short,
    #[error("a text is not UTF-8")]
    Text,
    #[error("it is nested too deep")]
    TooDeep,
    #[error("an array or a map has too many items")]
    TooMany,
    #[error("a key is there twice")]
    TwiceTheKey,
    #[error("it has a tag, a fraction or a length that is not given")]
    Unwanted,
}

/// Reads the one item that these octets are.
pub(super) fn read(bytes: &[u8]) -> Result<Value<'_>, CborError> {
    let (value, rest) = read_first(bytes)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(CborError::Excess)
    }
}

/// Reads the item that these octets begin with, and says what is left.
pub(super) fn read_first(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), CborError> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    Ok((value, reader.rest))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let length = usize::try_from(length).map_err(|_| CborError::Short)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CborError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The major type and the argument of an item's head.
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let first = *self.take(1)?.first().ok_or(CborError::Short)?;
        let (major, low) = (first >> 5, first & 0x1f);
        let width = match low {
            0..=23 => return Ok((major, u64::from(low))),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(CborError::Unwanted),
        };
        let bytes = self.take(width)?;
        let argument = bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte));
        let least = match width {
            1 => 24,
            2 => 1 << 8,
            4 => 1 << 16,
            _ => 1 << 32,
        };
        if major == 7 {
            // A fraction, or a simple value that nobody has defined.
            Err(CborError::Unwanted)
        } else if argument < least {
            Err(CborError::LongForm)
        } else {
            Ok((major, argument))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, CborError> {
        if depth > MOST_DEPTH {
            return Err(CborError::TooDeep);
        }
        let (major, argument) = self.head()?;
        let int = || i64::try_from(argument).map_err(|_| CborError::IntTooLarge);
        match major {
            0 => int().map(Value::Int),
            1 => int().map(|number| Value::Int(-1 - number)),
            2 => self.take(argument).map(Value::Bytes),
            3 => {
                let text = std::str::from_utf8(self.take(argument)?);
                text.map(Value::Text).map_err(|_| CborError::Text)
            }
            4 => {
                few(argument)?;
                let mut items = Vec::new();
                for _ in 0..argument {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::Array(items))
            }
            5 => {
                few(argument)?;
                let mut pairs: Vec<(Value<'a>, Value<'a>)> = Vec::new();
                for _ in 0..argument {
                    let key = self.value(depth + 1)?;
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(CborError::TwiceTheKey);
                    }
                    pairs.push((key, self.value(depth + 1)?));
                }
                Ok(Value::Map(pairs))
            }
            7 => match argument {
                20 => Ok(Value::Bool(false)),
                21 => Ok(Value::Bool(true)),
                22 => Ok(Value::Null),
                _ => Err(CborError::Unwanted),
            },
            _ => Err(CborError::Unwanted),
        }
    }
}

fn few(items: u64) -> Result<(), CborError> {
    if items > MOST_ITEMS {
        return Err(CborError::TooMany);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_8949_are_read() {
        for (bytes, value) in [
            (&b"\x00"[..], Value::Int(0)),
            (b"\x18\x64", Value::Int(100)),
            (b"\x1a\x00\x0f\x42\x40", Value::Int(1_000_000)),
            (b"\x20", Value::Int(-1)),
            (b"\x39\x03\xe7", Value::Int(-1000)),
            (b"\xf5", Value::Bool(true)),
            (b"\xf6", Value::Null),
            (b"\x44\x01\x02\x03\x04", Value::Bytes(&[1, 2, 3, 4])),
            (b"\x64IETF", Value::Text("IETF")),
            (
                b"\x82\x01\xa1\x02\x03",
                Value::Array(vec![
                    Value::Int(1),
                    Value::Map(vec![(Value::Int(2), Value::Int(3))]),
                ]),
            ),
        ] {
            assert_eq!(read(bytes), Ok(value), "{bytes:x?}");
        }
    }

    #[test]
    fn what_an_authenticator_does_not_write_is_refused() {
        for (bytes, error) in [
            (&b""[..], CborError::Short),
            (b"\x00\x00", CborError::Excess),
            (b"\x18\x17", CborError::LongForm),
            (b"\x19\x00\xff", CborError::LongForm),
            (b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", CborError::LongForm),
            (
                b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
                CborError::IntTooLarge,
            ),
            (b"\x44\x01", CborError::Short),
            (b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", CborError::Short),
            (b"\x98\x41", CborError::TooMany),
            (b"\x98\x40", CborError::Short),
            (b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", CborError::TooMany),
            (b"\x5f\x41\x00\xff", CborError::Unwanted),
            (b"\x9f\xff", CborError::Unwanted),
            (b"\xc0\x60", CborError::Unwanted),
            (b"\xf9\x3c\x00", CborError::Unwanted),
            (b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00", CborError::Unwanted),
            (b"\xf7", CborError::Unwanted),
            (b"\xf8\x20", CborError::Unwanted),
            (b"\x61\xff", CborError::Text),
            (b"\xa2\x01\x02\x01\x03", CborError::TwiceTheKey),
            (b"\x81\x81\x81\x81\x81\x81\x81\x00", CborError::TooDeep),
        ] {
            assert_eq!(read(bytes), Err(error), "{bytes:x?}");
        }
        assert_eq!(read(&vec![0x81; 100_000]), Err(CborError::TooDeep));
    }
}
