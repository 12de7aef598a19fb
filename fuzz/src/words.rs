//! Words of an author's: names, addresses, patterns, times.

use tollgate_store::backend::Location;
use tollgate_store::token::{self, Verifier};
use tollgate_store::{
    Cidr, Description, Environment, HostPattern, KeyId, ListenAddress, MaterialReference, Method,
    Name, Namespace, Overlap, PathPattern, Period, RotationPeriod, TargetUrl, Timeout, Timestamp,
};

/// Has a type read a text, and what it makes of it once more.
macro_rules! reads_again {
    ($text:expr; $($kind:ty),*) => {$(
        if let Ok(value) = <$kind>::parse($text) {
            let shown = value.to_string();
            let again = <$kind>::parse(&shown);
            assert_eq!(again.as_ref(), Ok(&value), "{} reads {shown:?} as it shows it", stringify!($kind));
        }
    )*};
}

/// A word that is accepted reads the same once it was shown.
///
/// # Panics
///
/// Where that does not hold.
pub fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    reads_again!(text; Cidr, Description, Environment, HostPattern, KeyId, ListenAddress, MaterialReference, Method, Name,
        Namespace, Overlap, PathPattern, Period, RotationPeriod, TargetUrl, Timeout, Timestamp);
    if let Some(id) = token::key_id(text) {
        assert!(text.contains(id.as_str()), "a token shows its id");
    }
    let _ = (
        token::check_imported(text),
        Verifier::parse(text),
        Location::parse(text),
    );
}
