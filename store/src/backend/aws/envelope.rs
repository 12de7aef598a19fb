//! A shard's value as text: what is around the documents, and the documents, compressed where they are many.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compress::{INFLATED_BYTES_MAX, deflate, inflate};
use super::layout::{FORMAT_LATEST, FORMAT_PLAIN, VALUE_BYTES_MAX};
use super::shard::{Shard, Stage};

/// A value is compressed once its text outgrows this. Until then a person can read it.
const PLAIN_BYTES_MAX: usize = VALUE_BYTES_MAX / 2;
/// Kept free for what a shard that moves, or is laid out anew, has to say.
const ENVELOPE_BYTES: usize = 512;

/// How large a value would be that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    pub(super) bytes: usize,
    pub(super) bytes_max: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: u64,
    nonce: String,
    /// Values of an earlier build did not count them.
    #[serde(default)]
    versions: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reserved: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moves_to: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resharding: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moves_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    documents: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deflated: Option<String>,
}

/// Reads a value; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Shard, String> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    check_format(&json)?;
    let Raw {
        format: _,
        nonce,
        versions,
        reserved,
        closed,
        moves_to,
        resharding,
        moves_from,
        documents,
        deflated,
    } = serde_json::from_value(json).map_err(|error| error.to_string())?;
    let stage = match (reserved, closed, moves_to, resharding) {
        (false, false, None, None) => Stage::Open,
        (true, false, None, None) => Stage::Reserved,
        (false, true, None, None) => Stage::Closed,
        (false, false, Some(to), None) => Stage::Moving { to },
        (false, false, None, Some(count)) => Stage::Resharding { count },
        _ => {
            return Err(
                "only one of reserved, closed, moves_to and resharding may be given".to_owned(),
            );
        }
    };
    let documents = match (documents, deflated) {
        (Some(documents), None) => documents,
        (None, Some(packed)) => serde_json::from_str(&inflate(&packed)?)
            .map_err(|error| format!("its documents are not a list: {error}"))?,
        (None, None) => return Err("missing field `documents`".to_owned()),
        (Some(_), Some(_)) => {
            return Err("only one of documents and deflated may be given".to_owned());
        }
    };
    Shard::new(stage, documents).map(|shard| Shard {
        nonce,
        versions,
        moves_from,
        ..shard
    })
}

/// The value that [`parse`] reads.
pub(super) fn write(shard: &Shard) -> Result<String, TooLarge> {
    let documents: Vec<Value> = shard.documents.values().cloned().collect();
    let (moves_to, resharding) = match shard.stage {
        Stage::Moving { to } => (Some(to), None),
        Stage::Resharding { count } => (None, Some(count)),
        Stage::Open | Stage::Reserved | Stage::Closed => (None, None),
    };
    let mut raw = Raw {
        format: FORMAT_PLAIN,
        nonce: shard.nonce.clone(),
        versions: shard.versions,
        reserved: shard.stage == Stage::Reserved,
        closed: shard.stage == Stage::Closed,
        moves_to,
        resharding,
        moves_from: shard.moves_from.clone(),
        documents: Some(documents),
        deflated: None,
    };
    let plain = text(&raw);
    if plain.len() <= PLAIN_BYTES_MAX {
        return Ok(plain);
    }
    let documents = text(&raw.documents.take());
    fits(documents.len(), INFLATED_BYTES_MAX)?;
    raw.format = FORMAT_LATEST;
    raw.deflated = Some(deflate(&documents));
    let packed = text(&raw);
    // What stands must always be able to move.
    let room = match shard.stage {
        Stage::Open => ENVELOPE_BYTES,
        _ => 0,
    };
    fits(packed.len(), VALUE_BYTES_MAX - room)?;
    Ok(packed)
}

fn text(value: &impl Serialize) -> String {
    // Strings, numbers and lists: JSON can hold them all.
    serde_json::to_string(value).unwrap_or_default()
}

fn fits(bytes: usize, bytes_max: usize) -> Result<(), TooLarge> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(TooLarge { bytes, bytes_max })
}

/// Refuses a value that another version of the layout wrote.
pub(super) fn check_format(json: &Value) -> Result<(), String> {
    match json.get("format").and_then(Value::as_u64) {
        Some(FORMAT_PLAIN..=FORMAT_LATEST) => Ok(()),
        Some(format) => Err(format!(
            "it was written in format {format}, this build reads up to {FORMAT_LATEST}: upgrade it"
        )),
        None => Err("it has no format number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shard(documents: Vec<Value>) -> Shard {
        Shard {
            nonce: "n".to_owned(),
            versions: 7,
            moves_from: Some("arn".to_owned()),
            ..Shard::new(Stage::Open, documents).unwrap()
        }
    }

    fn documents(count: usize) -> Vec<Value> {
        (0..count)
            .map(|number| json!({"kind": "key", "name": format!("key-{number}"), "text": "x".repeat(500)}))
            .collect()
    }

    #[test]
    fn a_small_shard_is_readable_and_a_large_one_compressed() {
        let (small, large) = (shard(documents(3)), shard(documents(300)));

        let (plain, packed) = (write(&small).unwrap(), write(&large).unwrap());

        assert!(plain.contains("key-2") && plain.contains(r#""format":1"#));
        assert!(packed.starts_with(r#"{"format":2,"nonce":"n","versions":7,"#));
        assert!(packed.len() < PLAIN_BYTES_MAX);
        assert_eq!(parse(&plain), Ok(small));
        assert_eq!(parse(&packed), Ok(large));
    }

    #[test]
    fn every_stage_reads_back() {
        for stage in [
            Stage::Open,
            Stage::Reserved,
            Stage::Closed,
            Stage::Moving { to: 2 },
            Stage::Resharding { count: 32 },
        ] {
            let shard = Shard {
                stage,
                ..shard(documents(1))
            };
            assert_eq!(parse(&write(&shard).unwrap()), Ok(shard));
        }
    }

    #[test]
    fn more_than_can_be_decompressed_is_not_written() {
        let error = write(&shard(documents(2100))).unwrap_err();

        assert_eq!(error.bytes_max, INFLATED_BYTES_MAX);
    }

    #[test]
    fn a_corrupt_value_is_told_what_is_wrong() {
        for (text, expected) in [
            ("{", "it is not JSON"),
            ("{}", "no format number"),
            (r#"{"format":3}"#, "upgrade it"),
            (r#"{"format":1,"documents":[]}"#, "missing field `nonce`"),
            (r#"{"format":1,"nonce":"n"}"#, "missing field `documents`"),
            (
                r#"{"format":1,"nonce":"n","closed":true,"moves_to":2,"documents":[]}"#,
                "only one of",
            ),
            (r#"{"format":2,"nonce":"n","deflated":"*"}"#, "Base64"),
            (
                r#"{"format":1,"nonce":"n","documents":[{"kind":"key","name":"a"},{"kind":"key","name":"a"}]}"#,
                "it holds key \"a\" twice",
            ),
        ] {
            let problem = parse(text).unwrap_err();

            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
