//! A part of a stored representation (RFC 9110 section 14).

use super::Stored;

/// The part of a complete stored response that `range`, the field's value, asks for: a 206. `None` where it
/// is for the origin to answer: several ranges, other units, beyond the end.
pub fn part(stored: &Stored, range: &str) -> Option<Stored> {
    let length = stored.body.len();
    let (first, last) = range.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<usize>().ok())?
    };
    let (start, end) = match (first, last) {
        ("", last) => (length.saturating_sub(number(last)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(length)),
    };
    if stored.status != 200 || start >= end {
        return None;
    }
    let mut part = Stored { status: 206, body: stored.body.slice(start..end), ..stored.clone() };
    part.headers.set("content-range", format!("bytes {start}-{}/{length}", end - 1));
    part.headers.set("content-length", (end - start).to_string());
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_cache::Headers;
    use proptest::prelude::*;

    fn stored(body: &'static [u8]) -> Stored {
        Stored { body: body.into(), ..Stored::new(200, Headers::default(), (0, 0)) }
    }

    #[test]
    fn single_ranges_are_cut_out() {
        let cut = |range| part(&stored(b"0123456789"), range).map(|part| part.body);
        assert_eq!(cut("bytes=0-1").unwrap(), "01");
        assert_eq!(cut("bytes=7-").unwrap(), "789");
        assert_eq!(cut("bytes=-2").unwrap(), "89");
        assert_eq!(cut("bytes=-20").unwrap(), "0123456789");
        assert_eq!(cut("bytes=8-99").unwrap(), "89");
        for other in
            ["bytes=10-", "bytes=3-2", "bytes=0-1,4-5", "items=0-1", "bytes=-", "bytes=+1-2"]
        {
            assert_eq!(cut(other), None, "{other}");
        }
        let part = part(&stored(b"0123456789"), "bytes=-0");
        assert_eq!(part, None);
    }

    proptest! {
        #[test]
        fn any_range_may_be_asked_for(range in "bytes=[0-9,-]{0,30}") {
            if let Some(part) = part(&stored(b"0123456789"), &range) {
                prop_assert!(!part.body.is_empty());
                prop_assert_eq!(part.headers.first("content-length").unwrap(), part.body.len().to_string());
            }
        }
    }
}
