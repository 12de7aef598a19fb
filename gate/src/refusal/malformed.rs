//! What makes a request's head ambiguous.

use crate::PATH_BYTES_MAX;

/// What makes a request's head ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// CONNECT opens a tunnel and TRACE echoes credentials.
    #[error("the methods CONNECT and TRACE are never let through")]
    MethodRefused,
    /// The method is no token (RFC 9110, section 9.1).
    #[error("the method is not one: it must be letters, like GET")]
    MethodInvalid,
    /// No host is named.
    #[error("the request names no host")]
    HostMissing,
    /// The host is none: user information, a list, a path, a bad port.
    #[error("the host is neither a name nor an address with an optional port")]
    HostInvalid,
    /// The request target names another host than the one it was sent for.
    #[error("the request names two hosts")]
    HostAmbiguous,
    /// The target is `*`, an authority, or empty.
    #[error("the request target must be a path that starts with '/'")]
    PathForm,
    /// The path is longer than [`PATH_BYTES_MAX`].
    #[error("the path is longer than {PATH_BYTES_MAX} bytes")]
    PathTooLong,
    /// A raw control character, space, `#`, backslash or byte beyond ASCII.
    #[error("the path holds a character that must be percent-encoded")]
    PathCharacter,
    /// A `%` that two hexadecimal digits don't follow.
    #[error("the path holds a '%' without two hexadecimal digits")]
    PathEscape,
    /// An encoded slash, backslash, percent, semicolon or control character: some decode it, some don't.
    #[error("the path holds a percent-encoded separator, percent or control character")]
    PathAmbiguous,
    /// What is percent-encoded is no UTF-8, like the overlong forms of a slash.
    #[error("the path's percent-encoded bytes are not UTF-8")]
    PathNotUtf8,
    /// A segment `.` or `..`, also with parameters or spaces.
    #[error("the path holds a dot segment")]
    PathDotSegment,
    /// Two slashes in a row.
    #[error("the path holds an empty segment")]
    PathEmptySegment,
    /// A segment that is nothing but parameters, which some servers read as empty.
    #[error("the path holds a segment that starts with ';'")]
    PathParameter,
    /// A token in the path or the query, or a parameter that bears one by its name, where logs on the way would keep it
    /// (RFC 6750, section 2.3).
    #[error("a token must not be sent in the path or the query")]
    CredentialInTarget,
    /// A raw control character, space, `#` or byte beyond ASCII.
    #[error("the query holds a character that must be percent-encoded")]
    QueryCharacter,
}

impl Malformed {
    /// The reason as one stable word, for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MethodRefused => "method_refused",
            Self::MethodInvalid => "method_invalid",
            Self::HostMissing => "host_missing",
            Self::HostInvalid => "host_invalid",
            Self::HostAmbiguous => "host_ambiguous",
            Self::PathForm => "path_form",
            Self::PathTooLong => "path_too_long",
            Self::PathCharacter => "path_character",
            Self::PathEscape => "path_escape",
            Self::PathAmbiguous => "path_ambiguous",
            Self::PathNotUtf8 => "path_not_utf8",
            Self::PathDotSegment => "path_dot_segment",
            Self::PathEmptySegment => "path_empty_segment",
            Self::PathParameter => "path_parameter",
            Self::CredentialInTarget => "credential_in_query",
            Self::QueryCharacter => "query_character",
        }
    }
}
