//! Which server of a cluster has what, by the Redis cluster specification.

use redis::Value;

use super::connection::Place;

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// The slots from one number to another, and who has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) place: Place,
}

/// The slot of the keys that have a tag: CRC16 (XMODEM) of it.
pub(super) fn slot(tag: &str) -> u16 {
    let step = |crc: u16| {
        let shifted = crc << 1;
        if crc & 0x8000 == 0 {
            shifted
        } else {
            shifted ^ 0x1021
        }
    };
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| step(crc))
    });
    crc % SLOTS
}

/// What `CLUSTER SLOTS` says, in the order of the slots; `None`: it says something else. Where a server does not say its
/// own host, it is `asked`.
pub(super) fn read(value: &Value, asked: &Place) -> Option<Vec<Range>> {
    let Value::Array(ranges) = value else {
        return None;
    };
    let ranges = ranges.iter().map(|range| {
        // Those that only follow come after the one that has them.
        let Value::Array(range) = range else {
            return None;
        };
        let [first, last, Value::Array(server), ..] = range.as_slice() else {
            return None;
        };
        let [host, port, ..] = server.as_slice() else {
            return None;
        };
        let host = match host {
            Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
            Value::SimpleString(host) => host.clone(),
            Value::Nil => String::new(),
            _ => return None,
        };
        let host = if host.is_empty() {
            asked.host.clone()
        } else {
            host
        };
        let port = number(port)?;
        Some(Range {
            first: number(first)?,
            last: number(last)?,
            place: Place { host, port },
        })
    });
    let mut ranges: Vec<_> = ranges.collect::<Option<_>>()?;
    ranges.sort_by_key(|range| range.first);
    Some(ranges)
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        for (tag, expected) in [("123456789", 0x31c3), ("foo", 12_182), ("", 0)] {
            assert_eq!(slot(tag), expected, "{tag}");
        }
    }

    #[test]
    fn servers_are_told_by_their_slots_and_one_without_a_host_is_the_one_that_was_asked() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let server = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range =
            |first, last, server| Value::Array(vec![Value::Int(first), Value::Int(last), server]);
        let told = Value::Array(vec![
            range(8_192, 16_383, server(text("10.0.0.2"), 6_380)),
            range(0, 8_191, server(Value::Nil, 6_379)),
        ]);
        let asked = Place {
            host: "10.0.0.1".to_owned(),
            port: 1,
        };
        let read_back = read(&told, &asked).unwrap();
        let told_of: Vec<_> = read_back
            .iter()
            .map(|range| (range.first, range.last, range.place.to_string()))
            .collect();
        assert_eq!(
            told_of,
            [
                (0, 8_191, "10.0.0.1:6379".to_owned()),
                (8_192, 16_383, "10.0.0.2:6380".to_owned()),
            ]
        );
        assert_eq!(read(&Value::Okay, &asked), None);
        assert_eq!(read(&Value::Array(vec![Value::Int(1)]), &asked), None);
    }
}
