//! Names of services and regions of AWS.

use crate::text;

const CHARS_MAX: usize = 64;

/// The name of a service of AWS as signatures hold it, like `execute-api`, or of a region, like `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwsWord {
    text: String,
}
text!(AwsWord);

impl AwsWord {
    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > CHARS_MAX || !text.chars().all(holds) {
            return Err(format!(
                "{text:?} is no name of AWS: write lower-case letters, digits and hyphens, like \"execute-api\" or \
                 \"eu-west-1\""
            ));
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_regions_are_words() {
        for text in ["execute-api", "s3", "us-gov-east-1"] {
            assert!(AwsWord::parse(text).is_ok());
        }
        for text in [
            "",
            "EU-WEST-1",
            "eu west",
            "s3/aws4_request",
            &"x".repeat(65),
        ] {
            assert!(AwsWord::parse(text).is_err(), "{text:?}");
        }
    }
}
