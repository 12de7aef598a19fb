//! What an issuer of tokens is told by: its keys, and what its tokens say.

use std::time::Duration;

use crate::text;

const AUDIENCE_CHARS_MAX: usize = 500;
const CLAIM_CHARS_MAX: usize = 200;
const TOKEN_TYPE_CHARS_MAX: usize = 100;
const VALUE_CHARS_MAX: usize = 255;
/// The most characters of keys that stand in a document.
pub(crate) const KEYS_CHARS_MAX: usize = 32 * 1_024;
/// What JSON Web Keys hold that nobody else may know (RFC 7518, section 6).
const PRIVATE_MEMBERS: [&str; 2] = ["d", "k"];

/// Declares a text of printable characters without more structure.
macro_rules! plain {
    ($(#[$documentation:meta])* $type:ident, $most:ident, $what:literal, $holds:expr) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type {
            text: String,
        }
        text!($type);

        impl $type {
            /// Reads it; the error says what would be right.
            pub fn parse(text: &str) -> Result<Self, String> {
                let holds: fn(char) -> bool = $holds;
                if !text.is_empty() && text.chars().count() <= $most && text.chars().all(holds) {
                    return Ok(Self { text: text.to_owned() });
                }
                Err(format!("{:?} is not {}, of 1 to {} characters", shown(text), $what, $most))
            }
        }
    };
}

plain! {
    /// Whom a token is made out to (`aud`): a URL or a name.
    Audience, AUDIENCE_CHARS_MAX, "an audience: write it as tokens say it in aud, without spaces",
    |c| c.is_ascii_graphic()
}
plain! {
    /// The name of a claim; where no claim is called so, a way to one by its dots, like `realm_access.roles`.
    ClaimName, CLAIM_CHARS_MAX, "the name of a claim: write it like \"scope\" or \"realm_access.roles\"",
    |c| c.is_ascii_graphic()
}
plain! {
    /// What a claim says of a subject, to the letter.
    ClaimValue, VALUE_CHARS_MAX, "the value of a claim: write it as tokens say it",
    |c| !c.is_control()
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What a token says it is (`typ`), in lower case and without `application/` (RFC 7515, section 4.1.9).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenType {
    text: String,
    name: String,
}
text!(TokenType);

impl TokenType {
    /// Reads a type; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let holds = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+/".contains(c);
        if text.is_empty() || text.len() > TOKEN_TYPE_CHARS_MAX || !text.chars().all(holds) {
            return Err(format!(
                "{:?} is not a type of tokens: write it like \"at+jwt\" or \"JWT\"",
                shown(text)
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            name: Self::name(text),
        })
    }

    /// Whether a token's `typ` says the same.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        Self::name(text) == self.name
    }

    fn name(text: &str) -> String {
        let text = text.to_ascii_lowercase();
        text.strip_prefix("application/")
            .map_or_else(|| text.clone(), str::to_owned)
    }
}

/// JSON Web Keys in a document (RFC 7517): what verifies tokens, never what signs them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InlineKeys {
    text: String,
}
text!(InlineKeys);

impl InlineKeys {
    /// Reads a set of keys; the error says what would be right. What each holds is looked at where it is used.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > KEYS_CHARS_MAX {
            return Err(format!(
                "it is too long: at most {KEYS_CHARS_MAX} characters are allowed"
            ));
        }
        // Not what serde_json says: it may quote a key.
        let set: serde_json::Value = serde_json::from_str(text).map_err(|error| {
            format!(
                "it is no JSON (line {}, column {}): give a set of keys, like {{\"keys\": [...]}}",
                error.line(),
                error.column()
            )
        })?;
        let keys = set.get("keys").and_then(serde_json::Value::as_array);
        let keys = keys.filter(|keys| !keys.is_empty()).ok_or(
            "it is no set of keys (RFC 7517, section 5): write {\"keys\": [...]} with one key at least",
        )?;
        let is_private = |key: &serde_json::Value| {
            PRIVATE_MEMBERS
                .iter()
                .any(|member| key.get(member).is_some())
        };
        if keys.iter().any(is_private) {
            return Err(
                "it holds a private or a shared key, which must not stand in a document: give the public keys alone"
                    .to_owned(),
            );
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

/// How far two clocks may differ: 0 s to 5 m, written like `30s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockSkew {
    text: String,
    length: Duration,
}
text!(ClockSkew);

impl ClockSkew {
    /// Reads a length of time; the error says how to write one and its bounds.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bounds = (Duration::ZERO, Duration::from_mins(5));
        let length = crate::duration_within(text, bounds, "0s to 5m")?;
        Ok(Self {
            text: text.to_owned(),
            length,
        })
    }

    /// Its length.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_the_same_in_any_case_and_with_its_media_type() {
        let declared = TokenType::parse("application/at+JWT").unwrap();

        assert!(declared.is("at+jwt"));
        assert!(declared.is("Application/AT+JWT"));
        assert!(!declared.is("JWT"));
        assert!(TokenType::parse("at jwt").is_err());
    }

    #[test]
    fn keys_that_sign_are_refused_and_not_quoted() {
        let key = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "eA", "d": "c2VjcmV0"}]}"#;
        let error = InlineKeys::parse(key).unwrap_err();

        assert!(error.contains("private"), "{error}");
        assert!(!error.contains("c2VjcmV0"), "{error}");
        assert!(InlineKeys::parse(r#"{"keys": []}"#).is_err());
        assert!(InlineKeys::parse("c2VjcmV0").is_err());
    }
}
