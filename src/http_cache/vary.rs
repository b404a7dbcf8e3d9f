//! Which requests a stored response answers (RFC 9111 section 4.1).

use super::{Headers, headers::members};

/// The request fields that `Vary` names, in lower case, sorted, each once; `None` where it is `*` and no
/// other request is answered.
pub fn fields(response: &Headers) -> Option<Vec<String>> {
    let mut names: Vec<String> =
        response.all("vary").flat_map(members).map(str::to_ascii_lowercase).collect();
    names.sort_unstable();
    names.dedup();
    (!names.iter().any(|name| name == "*")).then_some(names)
}

/// What a request says in a field, written so that equal meanings are equal texts; `None` if nothing.
///
/// White space around members is not told. The `Accept` fields are sets of weighted members: neither case nor
/// order counts.
pub fn value(request: &Headers, name: &str) -> Option<String> {
    if !request.contains(name) {
        return None;
    }
    let mut all: Vec<String> = request.all(name).flat_map(members).map(str::to_owned).collect();
    if name == "accept" || name.starts_with("accept-") {
        all.iter_mut().for_each(|member| {
            member.make_ascii_lowercase();
            member.retain(|character| character != ' ' && character != '\t');
        });
        all.sort_unstable();
    }
    Some(all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        Headers::new(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn fields_are_a_set_and_a_star_matches_nothing() {
        let vary = [("Vary", "Foo, accept"), ("vary", ",foo")];
        assert_eq!(fields(&headers(&vary)).unwrap(), ["accept", "foo"]);
        assert_eq!(fields(&headers(&[])).unwrap(), [""; 0]);
        assert_eq!(fields(&headers(&[("Vary", "foo, *")])), None);
    }

    #[test]
    fn equal_meanings_are_equal_texts() {
        let of = |name: &str, text: &str| value(&headers(&[(name, text)]), name);
        assert_eq!(of("accept-language", "en, de;q=0.5"), of("accept-language", "DE; q=0.5,EN"));
        assert_ne!(of("accept-language", "en;q=0.5, de"), of("accept-language", "en, de;q=0.5"));
        assert_eq!(of("foo", "1, 2"), of("foo", "1,2"));
        assert_ne!(of("foo", "1,2"), of("foo", "2,1"));
        assert_ne!(of("foo", "a"), of("foo", "A"));
        let lines = headers(&[("Foo", "1"), ("Foo", "2")]);
        assert_eq!(value(&lines, "foo"), of("foo", "1, 2"));
        assert_ne!(of("foo", ""), value(&headers(&[]), "foo"));
    }
}
