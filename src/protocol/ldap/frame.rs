//! Where a message ends: each LDAPMessage is a SEQUENCE in BER with a definite length (RFC 4511
//! section 5.1).

/// The tag and the length in front of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    /// How many octets the header has.
    pub(crate) header: usize,
    /// How many octets follow it.
    pub(crate) contents: usize,
}

/// Why octets are not the beginning of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the directory's message does not begin as one")]
    NoMessage,
    #[error("the directory's message has {0} bytes, more than are read")]
    TooLarge(usize),
}

impl Header {
    /// How many octets are needed at least.
    pub(crate) const LEAST: usize = 2;
    const SEQUENCE: u8 = 0x30;

    /// How many octets the header has that begins with these two.
    pub(crate) fn size(begins: [u8; 2]) -> Result<usize, FrameError> {
        let [tag, length] = begins;
        match (tag, length) {
            (Self::SEQUENCE, 0..=0x7f) => Ok(2),
            (Self::SEQUENCE, 0x81..=0x84) => Ok(2 + usize::from(length & 0x7f)),
            // The indefinite form is forbidden, and no message has 2^32 octets.
            _ => Err(FrameError::NoMessage),
        }
    }

    /// Reads a whole header; `most` octets may follow.
    pub(crate) fn read(octets: &[u8], most: usize) -> Result<Self, FrameError> {
        let contents = match octets {
            [Self::SEQUENCE, length @ 0..=0x7f] => usize::from(*length),
            [Self::SEQUENCE, 0x81..=0x84, length @ ..] => length
                .iter()
                .fold(0, |length, octet| (length << 8) | usize::from(*octet)),
            _ => return Err(FrameError::NoMessage),
        };
        if contents > most {
            return Err(FrameError::TooLarge(contents));
        }
        Ok(Self {
            header: octets.len(),
            contents,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_how_long_its_message_is() {
        for (octets, contents) in [
            (&[0x30, 0x00][..], 0),
            (&[0x30, 0x7f], 0x7f),
            (&[0x30, 0x81, 0x80], 0x80),
            (&[0x30, 0x82, 0x01, 0x02], 0x102),
            // more octets than are needed are allowed in BER
            (&[0x30, 0x84, 0, 0, 0, 5], 5),
        ] {
            let begins = [octets[0], octets[1]];
            assert_eq!(Header::size(begins), Ok(octets.len()));
            let header = Header::read(octets, 1000).unwrap();
            assert_eq!((header.header, header.contents), (octets.len(), contents));
        }
    }

    #[test]
    fn what_is_no_message_or_too_long_is_refused() {
        for begins in [
            [0x31, 2],
            [0x30, 0x80],
            [0x30, 0x85],
            [0x30, 0xff],
            [0x16, 3],
        ] {
            assert_eq!(
                Header::size(begins),
                Err(FrameError::NoMessage),
                "{begins:x?}"
            );
        }
        let long = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(
            Header::read(&long, 1 << 20),
            Err(FrameError::TooLarge(0xffff_ffff))
        );
        assert!(Header::read(&[0x30, 0x82, 0x03, 0xe8], 1000).is_ok());
        assert!(Header::read(&[0x30, 0x82, 0x03, 0xe9], 1000).is_err());
    }
}
