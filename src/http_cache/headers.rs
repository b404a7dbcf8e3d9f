//! The fields of a message.

use serde::{Deserialize, Serialize};

/// Fields that concern one connection only and are never stored (RFC 9111 section 3.1).
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Names and values in the order they were sent; a name occurs as often as it was. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    pub fn new(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        Self(fields.into_iter().map(lower).collect())
    }

    /// The value of the first field of this name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The values of all fields of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn append(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Replaces all fields of this name.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.append(name, value);
    }

    /// Takes out the fields that concern one connection only, and those that `Connection` names.
    pub fn remove_hop_by_hop(&mut self) {
        let named: Vec<String> =
            self.all("connection").flat_map(members).map(str::to_ascii_lowercase).collect();
        self.0.retain(|(name, _)| {
            !HOP_BY_HOP.contains(&name.as_str()) && !named.iter().any(|other| other == name)
        });
    }

    pub fn into_inner(self) -> Vec<(String, String)> {
        self.0
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// Where a field's value is inside a quoted string.
#[derive(Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

impl Quotes {
    /// Takes the next character; whether it is inside.
    fn step(&mut self, character: char) -> bool {
        let escaped = std::mem::take(&mut self.escaped);
        match character {
            '"' if !escaped => self.open = !self.open,
            '\\' if self.open && !escaped => self.escaped = true,
            _ => {}
        }
        self.open
    }
}

/// The members of a comma-separated list, trimmed; empty ones are left out. A comma in a quoted string
/// separates nothing.
pub fn members(list: &str) -> impl Iterator<Item = &str> {
    let mut quotes = Quotes::default();
    list.split(move |character| !quotes.step(character) && character == ',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

/// Whether a quoted string begins and does not end.
pub fn is_unclosed(text: &str) -> bool {
    let mut quotes = Quotes::default();
    text.chars().fold(false, |_, character| quotes.step(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn what_concerns_one_connection_is_taken_out() {
        let mut fields = headers(&[
            ("Connection", "A, b"),
            ("a", "1"),
            ("B", "2"),
            ("c", "3"),
            ("Keep-Alive", "timeout=5"),
        ]);
        fields.remove_hop_by_hop();
        assert_eq!(fields, headers(&[("c", "3")]));
    }

    #[test]
    fn commas_in_quotes_do_not_separate() {
        let all = |list| members(list).collect::<Vec<_>>();
        assert_eq!(all(r#" a="x, \"y, z" ,, b"#), [r#"a="x, \"y, z""#, "b"]);
        assert_eq!(all(", "), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_list_can_be_split(list: String) {
            for member in members(&list) {
                prop_assert!(list.contains(member));
            }
        }
    }
}
