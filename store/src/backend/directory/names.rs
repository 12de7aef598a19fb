//! How a document's name stands in a file system.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

/// The file name of a document's name.
///
/// Lower-case letters, digits, `_`, `-` and an inner `.` stand for themselves, everything else is `%` and two
/// upper-case digits. Capital letters are encoded too: `A` and `a` would be one file where case does not count.
pub(super) fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for (position, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
            // A leading dot would hide the file, and is how unfinished files are told apart.
            b'.' if position > 0 => encoded.push('.'),
            _ => {
                // Writing to a text never fails.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// The name that [`encode`] made a file name of; `None` where it did not make it.
pub(super) fn decode(file_name: &str) -> Option<String> {
    let name = percent_decode_str(file_name).decode_utf8().ok()?;
    (encode(&name) == file_name).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_name_is_readable_where_it_can_be() {
        assert_eq!(encode("acme-ci_1.2"), "acme-ci_1.2");
        assert_eq!(encode("Team/orders:read"), "%54eam%2Forders%3Aread");
    }

    #[test]
    fn what_a_person_named_otherwise_is_not_taken_for_a_name() {
        for file_name in ["A", "a%2f", "a%61", "%", "%ff", ".a"] {
            assert_eq!(decode(file_name), None, "{file_name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_no_two_share_a_file(one in ".{0,64}", other in ".{0,64}") {
            let encoded = encode(&one);

            prop_assert_eq!(decode(&encoded), Some(one.clone()));
            prop_assert!(!encoded.starts_with('.'));
            let same_file = encoded.eq_ignore_ascii_case(&encode(&other));
            prop_assert_eq!(same_file, one == other);
        }
    }
}
