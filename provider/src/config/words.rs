//! The form of what AWS gives names to, so that a typing mistake is told at once and not by a call.

/// Prefixes of tags that AWS or Tollgate sets.
const RESERVED_TAGS: [&str; 2] = ["aws:", "tollgate-"];
/// AWS's bounds of a tag.
const TAG_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;
const ACCOUNT_DIGITS: usize = 12;
/// The least that the id of a KMS key has: 32 hexadecimal digits, and hyphens where it is a UUID.
const KMS_ID_DIGITS: usize = 32;

pub(super) fn check_given(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it must not be empty: give a value, or leave it out".to_owned());
    }
    Ok(())
}

/// The form of every region: `eu-west-1`, `us-gov-west-1`. Which ones there are changes, and an account's differ.
pub(super) fn check_region(text: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(is_plain)
    };
    let parts: Vec<&str> = text.split('-').collect();
    let is_numbered = |last: &&str| last.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() >= 3
        && parts.iter().all(|part| is_part(part))
        && parts.last().is_some_and(is_numbered)
    {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no region: write one like \"eu-west-1\""
    ))
}

pub(super) fn check_role(text: &str) -> Result<(), String> {
    if let ["arn", partition, "iam", "", account, role] = split_arn(text).as_slice()
        && !partition.is_empty()
        && is_account(account)
        && role
            .strip_prefix("role/")
            .is_some_and(|name| !name.is_empty())
    {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no role: write its ARN, like \"arn:aws:iam::123456789012:role/tollgate\""
    ))
}

pub(super) fn check_kms_key(text: &str) -> Result<(), String> {
    let is_key = if let ["arn", partition, "kms", region, account, key] = split_arn(text).as_slice()
    {
        let named = key
            .strip_prefix("key/")
            .or_else(|| key.strip_prefix("alias/"));
        !partition.is_empty()
            && check_region(region).is_ok()
            && is_account(account)
            && named.is_some_and(|name| !name.is_empty())
    } else {
        let is_digit = |byte: u8| byte == b'-' || byte.is_ascii_hexdigit();
        let alias = text
            .strip_prefix("alias/")
            .is_some_and(|name| !name.is_empty());
        let digits = text.strip_prefix("mrk-").unwrap_or(text);
        alias || (digits.len() >= KMS_ID_DIGITS && digits.bytes().all(is_digit))
    };
    if is_key {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no KMS key: write its id, its ARN, or an alias like \"alias/tollgate\""
    ))
}

/// The six parts of an ARN; the last may hold colons.
fn split_arn(text: &str) -> Vec<&str> {
    text.splitn(6, ':').collect()
}

fn is_account(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn check_tag(text: &str) -> Result<(), String> {
    if let Some(prefix) = RESERVED_TAGS
        .into_iter()
        .find(|prefix| text.to_ascii_lowercase().starts_with(prefix))
    {
        return Err(format!(
            "tags that begin with {prefix:?} are not ours to give: rename it"
        ));
    }
    check_length(text, TAG_CHARS_MAX)?;
    check_given(text)
}

pub(super) fn check_tag_value(text: &str) -> Result<(), String> {
    check_length(text, TAG_VALUE_CHARS_MAX)
}

fn check_length(text: &str, most: usize) -> Result<(), String> {
    let count = text.chars().count();
    if count <= most {
        return Ok(());
    }
    Err(format!(
        "it has {count} characters, at most {most} are allowed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_region_role_and_key_that_aws_has_is_taken() {
        for region in ["eu-west-1", "us-gov-west-1", "eusc-de-east-1"] {
            assert_eq!(check_region(region), Ok(()), "{region}");
        }
        for role in [
            "arn:aws:iam::123456789012:role/team/tollgate",
            "arn:aws-us-gov:iam::123456789012:role/x",
        ] {
            assert_eq!(check_role(role), Ok(()), "{role}");
        }
        for key in [
            "alias/tollgate",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:eu-west-1:123456789012:alias/tollgate",
        ] {
            assert_eq!(check_kms_key(key), Ok(()), "{key}");
        }
    }
}
