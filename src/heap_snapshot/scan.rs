//! JSON taken apart as it arrives: just what a heap snapshot needs, a buffer of memory and no more.
//!
//! A general parser would do; but a snapshot is tens of millions of small numbers, and reading them is most of the work.

use std::io::{self, Read};

/// Why a snapshot can't be read.
#[derive(Debug)]
pub enum ScanError {
    Io(io::Error),
    /// Not what V8 writes, from the byte at `offset` on.
    Damaged {
        offset: u64,
        reason: &'static str,
    },
}

pub type ScanResult<T> = Result<T, ScanError>;

const BUFFER: usize = 256 << 10;

/// Reads JSON from its start.
#[derive(Debug)]
pub struct Scanner<R> {
    reader: R,
    buffer: Box<[u8]>,
    at: usize,
    end: usize,
    /// Bytes before the buffer.
    before: u64,
}

impl<R: Read> Scanner<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; BUFFER].into(), at: 0, end: 0, before: 0 }
    }

    /// An error at this place.
    pub fn damaged<T>(&self, reason: &'static str) -> ScanResult<T> {
        Err(ScanError::Damaged { offset: self.before + self.at as u64, reason })
    }

    /// The next byte, which stays.
    fn peek(&mut self) -> ScanResult<u8> {
        if self.at == self.end {
            self.refill()?;
        }
        Ok(self.buffer[self.at])
    }

    #[cold]
    fn refill(&mut self) -> ScanResult<()> {
        self.before += self.end as u64;
        (self.at, self.end) = (0, 0);
        self.end = loop {
            match self.reader.read(&mut self.buffer) {
                Ok(0) => return self.damaged("it ends in the middle"),
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ScanError::Io(error)),
            }
        };
        Ok(())
    }

    /// The next byte that is not white space, which stays.
    fn token(&mut self) -> ScanResult<u8> {
        loop {
            match self.peek()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Ok(byte),
            }
        }
    }

    pub fn expect(&mut self, byte: u8, reason: &'static str) -> ScanResult<()> {
        if self.token()? != byte {
            return self.damaged(reason);
        }
        self.at += 1;
        Ok(())
    }

    /// A number that is a whole one and not negative, as all of a snapshot's graph are.
    pub fn number(&mut self) -> ScanResult<u64> {
        let first = self.token()?.wrapping_sub(b'0');
        if first > 9 {
            return self.damaged("a whole number belongs here");
        }
        let mut number = u64::from(first);
        self.at += 1;
        loop {
            let digit = self.peek()?.wrapping_sub(b'0');
            if digit > 9 {
                return Ok(number);
            }
            let longer = number.checked_mul(10).and_then(|tens| tens.checked_add(digit.into()));
            let Some(longer) = longer else { return self.damaged("a number is too large") };
            number = longer;
            self.at += 1;
        }
    }

    /// The elements of an array, each read by `element`.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> ScanResult<()>,
    ) -> ScanResult<()> {
        self.expect(b'[', "an array belongs here")?;
        if self.token()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            match self.token()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.damaged("an array does not end"),
            }
        }
    }

    /// The members of an object: `member` is told each name and reads the value.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> ScanResult<()>,
    ) -> ScanResult<()> {
        self.expect(b'{', "an object belongs here")?;
        if self.token()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        let mut name = Vec::new();
        loop {
            name.clear();
            self.text_into(&mut name)?;
            self.expect(b':', "a name without a value")?;
            member(self, &unescaped(&name))?;
            match self.token()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.damaged("an object does not end"),
            }
        }
    }

    /// A string.
    pub fn text(&mut self) -> ScanResult<String> {
        let mut text = Vec::new();
        self.text_into(&mut text)?;
        Ok(unescaped(&text))
    }

    /// A string whose content does not matter.
    pub fn skip_text(&mut self) -> ScanResult<()> {
        self.in_text(|_| {})
    }

    /// Any value. Not by recursion: what is nested too deeply must not end the process.
    pub fn skip(&mut self) -> ScanResult<()> {
        let mut depth = 0_u64;
        loop {
            match self.token()? {
                b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b']' | b'}' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b'"' => self.skip_text()?,
                b',' | b':' | b']' | b'}' => return self.damaged("a value belongs here"),
                _ => self.skip_word()?,
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// A number or a literal.
    fn skip_word(&mut self) -> ScanResult<()> {
        while !matches!(self.peek()?, b',' | b':' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        Ok(())
    }

    /// What stands between the quotes, as it is written.
    fn text_into(&mut self, text: &mut Vec<u8>) -> ScanResult<()> {
        self.in_text(|part| text.extend_from_slice(part))
    }

    fn in_text(&mut self, mut part: impl FnMut(&[u8])) -> ScanResult<()> {
        self.expect(b'"', "a string belongs here")?;
        let mut escaped = false;
        loop {
            self.peek()?;
            let rest = &self.buffer[self.at..self.end];
            let end = rest.iter().position(|byte| {
                let closes = *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                closes
            });
            part(&rest[..end.unwrap_or(rest.len())]);
            self.at += end.map_or(rest.len(), |end| end + 1);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// V8 writes halves of surrogate pairs too, which no Rust string can hold: such a text stays as it is written.
fn unescaped(written: &[u8]) -> String {
    if written.contains(&b'\\') {
        let quoted = [b"\"", written, b"\""].concat();
        if let Ok(text) = serde_json::from_slice(&quoted) {
            return text;
        }
    }
    String::from_utf8_lossy(written).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time, so that every token is cut somewhere.
    struct Trickle<'text>(&'text [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len());
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn texts(json: &str, pace: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut scanner = Scanner::new(Trickle(json.as_bytes(), pace));
        scanner.array(|scanner| scanner.text().map(|text| found.push(text))).unwrap();
        found
    }

    #[test]
    fn half_a_surrogate_pair_stays_as_it_is_written() {
        assert_eq!(texts(r#"["a\ud800b", "\ud83d\ude00"]"#, 3), [r"a\ud800b", "😀"]);
    }

    #[test]
    fn what_is_no_number_is_told_with_its_place() {
        for (json, at) in [("[-1]", 1), ("[1,x]", 3), ("[99999999999999999999]", 20), ("[1", 2)] {
            let mut scanner = Scanner::new(json.as_bytes());
            let error = scanner.array(|scanner| scanner.number().map(|_| ())).unwrap_err();
            assert!(
                matches!(error, ScanError::Damaged { offset, .. } if offset == at),
                "{error:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn reads_strings_as_serde_json_writes_them(strings: Vec<String>, pace in 1..9_usize) {
            prop_assert_eq!(texts(&serde_json::to_string(&strings).unwrap(), pace), strings);
        }

        #[test]
        fn skips_whatever_is_valid(strings: Vec<String>, numbers: Vec<f64>, pace in 1..9_usize) {
            let value = serde_json::json!([{ "a": strings, "b": [numbers, null, true] }, 7]);
            let json = serde_json::to_string_pretty(&value).unwrap();
            let mut scanner = Scanner::new(Trickle(json.as_bytes(), pace));
            let mut count = 0;
            let last = &mut 0;
            scanner.array(|scanner| {
                count += 1;
                if count == 1 { scanner.skip() } else { *last = scanner.number()?; Ok(()) }
            }).unwrap();
            prop_assert_eq!((count, *last), (2, 7));
        }
    }
}
