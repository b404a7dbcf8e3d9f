//! Where an HTTP/1.x response ends (RFC 9112, section 6.3).
//!
//! A pure state machine over the bytes as they arrive, in pieces of any size. Bodies are counted, not kept.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

/// A whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Whether the connection can carry another request.
    pub reusable: bool,
}

/// The bytes are no HTTP/1.x response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads one response.
#[derive(Debug)]
pub struct Reader {
    to_head: bool,
    reply: Reply,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes of the body are still to come.
    Body(u64),
    ChunkSize,
    /// So many bytes of the chunk and its line end are still to come.
    Chunk(u64),
    /// Lines up to an empty one.
    Trailers,
    UntilClose,
    Done,
}

const MAX_HEADERS: usize = 128;

impl Reader {
    /// For the response to a `HEAD` request, or to any other.
    pub fn new(to_head: bool) -> Self {
        Self { to_head, reply: Reply { status: 0, reusable: false }, state: State::Head }
    }

    /// Takes what it can of `input` and says how much that was. The rest is wanted again, with more behind
    /// it, unless the response is [done](Self::done).
    pub fn read(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let mut taken = 0;
        while self.state != State::Done && taken < input.len() {
            match self.step(&input[taken..])? {
                0 => break,
                step => taken += step,
            }
        }
        Ok(taken)
    }

    /// The response, once it is whole.
    pub fn done(&self) -> Option<Reply> {
        (self.state == State::Done).then_some(self.reply)
    }

    /// The response if the end of the connection is its end.
    pub fn close(self) -> Option<Reply> {
        (self.state == State::UntilClose).then_some(Reply { reusable: false, ..self.reply })
    }

    fn step(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        match self.state {
            State::Head => self.head(input),
            State::Body(left) => Ok(self.skip(input, left, State::Body, State::Done)),
            State::Chunk(left) => Ok(self.skip(input, left, State::Chunk, State::ChunkSize)),
            State::ChunkSize => self.chunk_size(input),
            State::Trailers => Ok(self.trailer(input)),
            State::UntilClose => Ok(input.len()),
            State::Done => Ok(0),
        }
    }

    fn head(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        // Clearing room for all possible headers would cost more than parsing the usual few.
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, input, &mut headers)
            .map_err(|_| Malformed)?;
        let Status::Complete(length) = parsed else { return Ok(0) };
        let status = response.code.ok_or(Malformed)?;
        match status {
            // We never ask to switch protocols.
            101 => return Err(Malformed),
            // Interim: the final response follows.
            100..=199 => return Ok(length),
            _ => {}
        }
        let fields = Fields::of(response.headers)?;
        let persistent = match response.version {
            Some(1) => !fields.close,
            _ => fields.keep_alive && !fields.close,
        };
        self.reply = Reply { status, reusable: persistent };
        self.state = if self.to_head || matches!(status, 204 | 304) {
            State::Done
        } else if fields.chunked {
            State::ChunkSize
        } else {
            match fields.length {
                Some(0) => State::Done,
                Some(length) if !fields.other_coding => State::Body(length),
                _ => State::UntilClose,
            }
        };
        Ok(length)
    }

    fn skip(&mut self, input: &[u8], left: u64, more: fn(u64) -> State, after: State) -> usize {
        let taken = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let left = left - taken as u64;
        self.state = if left == 0 { after } else { more(left) };
        taken
    }

    fn chunk_size(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        match httparse::parse_chunk_size(input).map_err(|_| Malformed)? {
            Status::Partial => Ok(0),
            Status::Complete((taken, 0)) => {
                self.state = State::Trailers;
                Ok(taken)
            }
            Status::Complete((taken, size)) => {
                self.state = State::Chunk(size.checked_add(2).ok_or(Malformed)?);
                Ok(taken)
            }
        }
    }

    fn trailer(&mut self, input: &[u8]) -> usize {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else { return 0 };
        if matches!(&input[..end], b"" | b"\r") {
            self.state = State::Done;
        }
        end + 1
    }
}

/// What the header fields say about the end of the response.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    other_coding: bool,
    close: bool,
    keep_alive: bool,
}

impl Fields {
    fn of(headers: &[Header<'_>]) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        for Header { name, value } in headers {
            if name.eq_ignore_ascii_case("content-length") {
                let length = length(value).ok_or(Malformed)?;
                if fields.length.is_some_and(|other| other != length) {
                    return Err(Malformed);
                }
                fields.length = Some(length);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                // Only the last coding can be `chunked`.
                fields.chunked = tokens(value).last().is_some_and(|coding| is(coding, b"chunked"));
                fields.other_coding = !fields.chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                fields.close |= tokens(value).any(|token| is(token, b"close"));
                fields.keep_alive |= tokens(value).any(|token| is(token, b"keep-alive"));
            }
        }
        Ok(fields)
    }
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn is(token: &[u8], name: &[u8]) -> bool {
    token.eq_ignore_ascii_case(name)
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `bytes` in pieces that end at `cuts`; the reply and how many bytes were left over.
    fn read(
        bytes: &[u8],
        cuts: &[usize],
        to_head: bool,
    ) -> Result<(Option<Reply>, usize), Malformed> {
        let mut reader = Reader::new(to_head);
        let mut start = 0;
        for end in cuts.iter().copied().chain([bytes.len()]) {
            start += reader.read(&bytes[start..end])?;
        }
        Ok((reader.done(), bytes.len() - start))
    }

    const KEPT: Reply = Reply { status: 200, reusable: true };

    #[test]
    fn ends_where_the_message_ends() {
        let whole = |text: &str| read(text.as_bytes(), &[], false);
        assert_eq!(whole("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi!"), Ok((Some(KEPT), 1)));
        assert_eq!(
            whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            Ok((Some(KEPT), 0))
        );
        let closing = Reply { status: 404, reusable: false };
        assert_eq!(
            whole("HTTP/1.1 404 No\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\n."),
            Ok((Some(closing), 0))
        );
        let old = Reply { status: 200, reusable: false };
        assert_eq!(whole("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"), Ok((Some(old), 0)));
        let empty = Reply { status: 304, reusable: true };
        assert_eq!(whole("HTTP/1.1 304 \r\ncontent-length: 9\r\n\r\n"), Ok((Some(empty), 0)));
        let to_head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        assert_eq!(read(to_head, &[], true), Ok((Some(KEPT), 0)));
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection() {
        let mut reader = Reader::new(false);
        assert_eq!(reader.read(b"HTTP/1.1 200 OK\r\n\r\nbody"), Ok(23));
        assert_eq!(reader.done(), None);
        assert_eq!(reader.close(), Some(Reply { status: 200, reusable: false }));
        assert_eq!(Reader::new(false).close(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "\0\x01\x02\x03 garbage",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ] {
            assert_eq!(read(text.as_bytes(), &[], false), Err(Malformed), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            chunks in prop::collection::vec(1usize..50, 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_owned();
            for size in chunks {
                text += &format!("{size:x};extension=1\r\n{}\r\n", "x".repeat(size));
            }
            text += "0\r\nTrailer: value\r\n\r\n";
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            cuts.sort_unstable();
            prop_assert_eq!(read(text.as_bytes(), &cuts, false), Ok((Some(KEPT), 0)));
        }

        #[test]
        fn no_input_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let prefixed = [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat();
            for input in [&bytes, &prefixed] {
                if let Ok((_, left)) = read(input, &[input.len() / 2], false) {
                    prop_assert!(left <= input.len());
                }
            }
        }
    }
}
