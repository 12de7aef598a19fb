//! Tokens where none belongs, so that no log and no upstream gets one.

use std::borrow::Cow;

use tollgate_store::token;

const PREFIX: &[u8] = b"tg_";
const JWT_PREFIX: &[u8] = b"eyJ";
/// Without any of these, a text holds neither of the two, nor an escape that could stand for a part of them.
const MARKS: [u8; 3] = [b'_', b'J', b'%'];
const REDACTED: &str = "[redacted]";
/// Some servers decode a target twice.
const DECODINGS: usize = 2;
/// Parameters that bear a credential by their name (RFC 6750, section 2.3), in lower case and with `_`.
const PARAMETERS: [&str; 4] = ["access_token", "api_key", "apikey", "x_api_key"];
/// The most places of a text that are looked at for an issuer's token: what bears more is nobody's honest request.
const ISSUERS_TOKENS_MAX: usize = 8;

/// Whether a text holds a token of a key anywhere, also percent-encoded.
#[must_use]
pub fn is_in(text: &[u8]) -> bool {
    is_anywhere(text, holds_plain)
}

/// Whether a query has a parameter that bears a credential by its name, however that is spelt.
#[must_use]
pub fn is_named_in(query: &str) -> bool {
    if query.is_empty() {
        return false;
    }
    let mut parameters = query.split(['&', ';']);
    parameters.any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        let mut name = Cow::Borrowed(name.as_bytes());
        for _ in 0..DECODINGS {
            if name.contains(&b'%') {
                name = Cow::Owned(decoded(&name));
            }
        }
        let mut bearing = PARAMETERS.iter();
        bearing.any(|bearing| is_spelling_of(&name, bearing.as_bytes()))
    })
}

/// Whether a name is that one, which is in lower case and with `_`.
fn is_spelling_of(name: &[u8], plain: &[u8]) -> bool {
    let is_same = |(byte, plain): (&u8, &u8)| match byte {
        b'-' => *plain == b'_',
        byte => byte.to_ascii_lowercase() == *plain,
    };
    name.len() == plain.len() && name.iter().zip(plain).all(is_same)
}

/// Whether a text holds what looks like a JSON Web Token and is one by `is_one`, also percent-encoded. At most
/// [`ISSUERS_TOKENS_MAX`] of them are looked at in each spelling.
pub(crate) fn is_any_jwt_in(text: &str, is_one: impl Fn(&str) -> bool) -> bool {
    is_anywhere(text.as_bytes(), |text| {
        let mut found = jwts(text).take(ISSUERS_TOKENS_MAX);
        found.any(&is_one)
    })
}

/// The text as a log may keep it: all of it, or nothing where it holds a token, also one of an issuer.
#[must_use]
pub fn redacted(text: &str) -> &str {
    if is_anywhere(text.as_bytes(), |text| holds_plain(text) || holds_jwt(text)) {
        REDACTED
    } else {
        text
    }
}

fn is_anywhere(text: &[u8], holds: impl Fn(&[u8]) -> bool) -> bool {
    // Every request is searched several times, and few have any.
    let [under, letter, escape] = MARKS;
    if memchr::memchr3(under, letter, escape, text).is_none() {
        return false;
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..DECODINGS {
        if holds(&text) {
            return true;
        }
        if !text.contains(&b'%') {
            return false;
        }
        text = Cow::Owned(decoded(&text));
    }
    holds(&text)
}

fn holds_jwt(text: &[u8]) -> bool {
    memchr::memmem::find(text, JWT_PREFIX).is_some() && jwts(text).next().is_some()
}

/// What looks like a JSON Web Token: an encoded `{"`, and two dots further on (RFC 7515, section 7.1).
fn jwts(text: &[u8]) -> impl Iterator<Item = &str> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let runs = text.split(move |byte| !is_part(*byte));
    runs.filter_map(|run| {
        let mut windows = run.windows(JWT_PREFIX.len());
        let start = windows.position(|window| window == JWT_PREFIX)?;
        let token = std::str::from_utf8(run.get(start..)?).ok()?;
        let mut dots = token.match_indices('.').map(|(place, _)| place);
        dots.next()?;
        dots.next()?;
        // What follows the third part is none of it.
        token.get(..dots.next().unwrap_or(token.len()))
    })
}

fn holds_plain(text: &[u8]) -> bool {
    let mut starts = memchr::memmem::find_iter(text, PREFIX);
    starts.any(|start| text.get(start..).is_some_and(starts_with_token))
}

fn starts_with_token(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    // One character more tells a token from a longer word; unbounded, "tg_tg_tg_…" would cost the square of its length.
    let window = text.iter().take(token::TOKEN_CHARS_MAX + 1);
    let length = window.take_while(|byte| is_part(byte)).count();
    let run = text.get(..length).unwrap_or_default();
    std::str::from_utf8(run).is_ok_and(|run| token::key_id(run).is_some())
}

/// What is no escape stays as it is.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = escape(rest).unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// The byte that an escape at the text's start stands for, and what follows.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (escape, after) = text.split_at_checked(3)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"%")?).ok()?;
    // The standard library would take a sign for a part of the number.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let byte = u8::from_str_radix(digits, 16).ok()?;
    Some((byte, after))
}

#[cfg(test)]
mod tests {
    use tollgate_store::{Environment, KeyId};

    use super::*;

    fn token() -> String {
        let id = KeyId::parse("abcdefghijkl").unwrap();
        let token = token::generate(&Environment::default(), id).unwrap();
        token.expose().to_owned()
    }

    #[test]
    fn a_token_of_an_issuer_is_in_no_log() {
        for text in [
            "/v1/eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
            "/v1/x=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.",
            "/v1/eyJhbGciOiJFUzI1NiJ9%2EeyJzdWIiOiJhIn0%252Ec2ln",
            "client/1 (a.eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln)",
        ] {
            assert_eq!(redacted(text), REDACTED, "{text}");
            assert!(!is_in(text.as_bytes()), "a request may hold it: {text}");
        }
        for text in ["/v1/eyJ/a.b.c", "/a.b.c.d/eyJx.y"] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn a_parameter_bears_a_credential_by_its_name_however_that_is_spelt() {
        for query in [
            "access_token=x",
            "a=1&access_token",
            "a=1;api_key=x",
            "API-Key=x",
            "apikey=",
            "X-Api-Key=x",
            "access%5Ftoken=x",
            "access%255ftoken=x",
            "%61ccess_token=x",
        ] {
            assert!(is_named_in(query), "{query}");
        }
        for query in [
            "",
            "token=x",
            "q=access_token",
            "access_token_hint=x",
            "my_api_key=x",
            "%zz=access_token",
        ] {
            assert!(!is_named_in(query), "{query}");
        }
    }

    #[test]
    fn what_looks_like_a_token_is_judged_by_its_three_parts_however_it_is_encoded() {
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln";
        let is_it = |found: &str| found == token;
        for text in [
            format!("/v1/{token}"),
            format!("a=1&t={token}&b=2"),
            format!("t=x.{token}.rest"),
            format!("t={}", token.replace('.', "%2E")),
            format!("t=eyJx.y.z&u={token}"),
        ] {
            assert!(is_any_jwt_in(&text, is_it), "{text}");
        }
        for text in ["/v1/eyJ.a", "t=eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0"] {
            assert!(!is_any_jwt_in(text, |_| true), "{text}");
        }
        let many = "eyJx.y.z&".repeat(ISSUERS_TOKENS_MAX);
        assert!(!is_any_jwt_in(&format!("{many}{token}"), is_it));
    }

    fn encoded(text: &str) -> String {
        let escapes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        escapes.concat()
    }

    #[test]
    fn a_token_is_found_wherever_it_stands_and_however_it_is_encoded() {
        let token = token();
        for text in [
            token.clone(),
            format!("a=1&key={token}"),
            format!("k=Bearer%20{token}"),
            format!("k=a,{token},b"),
            format!("k=tg_{token}"),
            format!("k=100%{token}"),
            format!("/v1/{token}/x"),
            token.replace('_', "%5F"),
            token.replace('_', "%255f"),
            encoded(&token),
            encoded(&encoded(&token)),
        ] {
            assert!(is_in(text.as_bytes()), "{}", text.replace(&token, "TOKEN"));
            assert_eq!(redacted(&text), "[redacted]");
        }
    }

    #[test]
    fn what_is_no_token_is_left_as_it_is() {
        let cut = &token()[..40];
        for text in ["", "/v1", "sort=tg_live_x", "tg_", "100%", "%zz%+1%", cut] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn only_escapes_are_decoded() {
        assert_eq!(decoded(b"%41%4a%+1%4%"), b"AJ%+1%4%");
    }
}
