//! The records of a file, one after the other: the elements of a JSON array, or lines.

use std::io::{BufRead, Result};

/// The longest record. Metadata of a user is far below.
const MOST_RECORD: usize = 1 << 20;

/// Reads records without ever holding more than one.
pub(super) struct Records<R> {
    input: R,
    shape: Shape,
    number: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Nothing was read yet.
    Unknown,
    Array,
    Lines,
    Ended,
}

/// A record by its number, from 1 on: its text, or what is wrong with it.
pub(super) type Numbered = (u64, std::result::Result<String, &'static str>);

impl<R: BufRead> Records<R> {
    /// The records of `input`.
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            shape: Shape::Unknown,
            number: 0,
        }
    }

    /// The next one; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Numbered>> {
        if self.shape == Shape::Unknown {
            // a byte order mark
            for expected in [0xef, 0xbb, 0xbf] {
                if self.peek()? == Some(expected) {
                    self.input.consume(1);
                }
            }
            self.skip(|byte| byte.is_ascii_whitespace())?;
            self.shape = if self.peek()? == Some(b'[') {
                self.input.consume(1);
                Shape::Array
            } else {
                Shape::Lines
            };
        }
        let found = match self.shape {
            Shape::Array => self.element()?,
            Shape::Lines => self.line()?,
            Shape::Unknown | Shape::Ended => None,
        };
        Ok(found.map(|found| {
            self.number += 1;
            (self.number, found)
        }))
    }

    fn line(&mut self) -> Result<Option<std::result::Result<String, &'static str>>> {
        self.skip(|byte| byte.is_ascii_whitespace())?;
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let mut text = Text::default();
        while let Some(byte) = self.take()? {
            if byte == b'\n' {
                break;
            }
            text.push(byte);
        }
        Ok(Some(text.end()))
    }

    fn element(&mut self) -> Result<Option<std::result::Result<String, &'static str>>> {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b',')?;
        match self.peek()? {
            Some(b']') => {
                self.input.consume(1);
                self.shape = Shape::Ended;
                self.skip(|byte| byte.is_ascii_whitespace())?;
                let rest = self.peek()?.is_some();
                return Ok(rest.then_some(Err("there is something after the end of the array")));
            }
            None => {
                self.shape = Shape::Ended;
                return Ok(Some(Err("the file ends before its array does")));
            }
            Some(_) => {}
        }
        let mut text = Text::default();
        let (mut depth, mut in_string, mut escaped) = (0_u64, false, false);
        loop {
            let Some(byte) = self.peek()? else {
                self.shape = Shape::Ended;
                return Ok(Some(Err("the file ends within this record")));
            };
            if in_string {
                in_string = byte != b'"' || escaped;
                escaped = byte == b'\\' && !escaped;
            } else {
                match byte {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b',' | b']' if depth == 0 => break,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            text.push(byte);
            self.input.consume(1);
        }
        Ok(Some(text.end()))
    }

    fn skip(&mut self, unwanted: impl Fn(u8) -> bool) -> Result<()> {
        while self.peek()?.is_some_and(&unwanted) {
            self.input.consume(1);
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Option<u8>> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.input.consume(1);
        }
        Ok(byte)
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }
}

/// What was gathered of a record, as far as it may be kept.
#[derive(Default)]
struct Text {
    octets: Vec<u8>,
    too_long: bool,
}

impl Text {
    fn push(&mut self, byte: u8) {
        if self.octets.len() < MOST_RECORD {
            self.octets.push(byte);
        } else {
            self.too_long = true;
        }
    }

    fn end(self) -> std::result::Result<String, &'static str> {
        if self.too_long {
            return Err("the record is larger than 1 MiB");
        }
        let text = std::str::from_utf8(&self.octets).map_err(|_| "the record is not UTF-8")?;
        Ok(text.trim_ascii_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<std::result::Result<String, &'static str>> {
        let mut records = Records::new(text);
        let mut all = Vec::new();
        while let Some((number, found)) = records.next().unwrap() {
            all.push(found);
            assert_eq!(number, all.len() as u64);
        }
        all
    }

    fn good(texts: &[&str]) -> Vec<std::result::Result<String, &'static str>> {
        texts.iter().map(|text| Ok((*text).to_owned())).collect()
    }

    #[test]
    fn arrays_and_lines_are_told_apart() {
        let two = good(&[r#"{"a":1}"#, r#"{"b":[2,{}]}"#]);
        assert_eq!(all(br#"[{"a":1},{"b":[2,{}]}]"#), two);
        assert_eq!(all(b"\xef\xbb\xbf \n[{\"a\":1}\n,{\"b\":[2,{}]}] \n"), two);
        assert_eq!(all(b"{\"a\":1}\n\n  {\"b\":[2,{}]}"), two);
        let hard = r#"{"a":"]},\"[{\\"}"#;
        assert_eq!(all(format!("[{hard},1]").as_bytes()), good(&[hard, "1"]));
        assert_eq!(all(b""), []);
        assert_eq!(all(b"  []"), []);
    }

    #[test]
    fn what_is_wrong_is_one_record_and_the_next_is_read() {
        assert_eq!(
            all(br#"[{"a":1},{"b":"#),
            [
                Ok(r#"{"a":1}"#.to_owned()),
                Err("the file ends within this record")
            ]
        );
        assert_eq!(
            all(br#"[{"a":1},"#),
            [
                Ok(r#"{"a":1}"#.to_owned()),
                Err("the file ends before its array does")
            ]
        );
        assert_eq!(
            all(b"[1] x"),
            [
                Ok("1".to_owned()),
                Err("there is something after the end of the array")
            ]
        );
        assert_eq!(
            all(b"{\"a\":\"\xff\"}\n{}"),
            [Err("the record is not UTF-8"), Ok("{}".to_owned())]
        );
        let long = "x".repeat(MOST_RECORD);
        assert_eq!(
            all(format!("[{{\"a\":\"{long}\"}},{{}}]").as_bytes()),
            [Err("the record is larger than 1 MiB"), Ok("{}".to_owned())]
        );
        assert_eq!(
            all(format!("{long}y\n{{}}").as_bytes()),
            [Err("the record is larger than 1 MiB"), Ok("{}".to_owned())]
        );
        assert_eq!(all(&[b"[".as_slice(), &[b'['; 4096]].concat()).len(), 1);
    }
}
