//! A line, written by hand: it is most of what a request costs beyond its bytes.

use std::borrow::Cow;
use std::net::IpAddr;

use tollgate_gate::credential;
use tollgate_store::{KeyId, Name};

use crate::address_text::put_address;
use crate::record::{Facts, shortened};

const USER_AGENT_CHARS_MAX: usize = 200;

/// The second that the last line was of, as text: the next line is mostly of the same.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: i64,
    text: String,
}

/// Appends the line of a request.
pub(super) fn write(line: &mut Vec<u8>, facts: &Facts, stamp: &mut Stamp) {
    line.extend_from_slice(b"{\"time\":\"");
    stamp.write(line, facts.time);
    line.extend_from_slice(b"\",\"request_id\":");
    let id = facts.request_id.as_ref().and_then(|id| id.to_str().ok());
    text(line, Some(id.unwrap_or_default()));
    line.extend_from_slice(b",\"method\":");
    text(line, Some(credential::redacted(facts.method.as_str())));
    line.extend_from_slice(b",\"host\":");
    text(line, facts.host.as_deref());
    line.extend_from_slice(b",\"path\":");
    text(line, Some(&facts.path));
    line.extend_from_slice(b",\"protocol\":");
    plain(line, Some(facts.protocol));
    line.extend_from_slice(b",\"tls\":");
    plain(line, facts.tls);
    line.extend_from_slice(b",\"client\":");
    match facts.client {
        Some(client) => address(line, client),
        None => plain(line, None),
    }
    line.extend_from_slice(b",\"client_certificate\":");
    text(line, facts.client_certificate.as_deref());
    line.extend_from_slice(b",\"user_agent\":");
    user_agent(line, facts);
    line.extend_from_slice(b",\"status\":");
    number(line, facts.status);
    line.extend_from_slice(b",\"reason\":");
    plain(line, facts.reason);
    line.extend_from_slice(b",\"bytes_in\":");
    number(line, Some(facts.bytes_in));
    line.extend_from_slice(b",\"bytes_out\":");
    number(line, Some(facts.bytes_out));
    line.extend_from_slice(b",\"duration_ms\":");
    milliseconds(line, Some(facts.duration_us));
    line.extend_from_slice(b",\"upstream_ms\":");
    milliseconds(line, facts.upstream_us);
    line.extend_from_slice(b",\"principal\":");
    plain(line, facts.principal.as_ref().map(Name::as_str));
    line.extend_from_slice(b",\"key\":");
    text(line, facts.key.as_deref());
    line.extend_from_slice(b",\"key_id\":");
    plain(line, facts.key_id.as_ref().map(KeyId::as_str));
    line.extend_from_slice(b",\"issuer\":");
    plain(line, facts.issuer.as_ref().map(Name::as_str));
    line.extend_from_slice(b",\"subject\":");
    text(line, facts.subject.as_deref());
    line.extend_from_slice(b",\"scope\":");
    plain(line, facts.scope.as_ref().map(Name::as_str));
    line.extend_from_slice(b",\"route\":");
    plain(line, facts.route.as_ref().map(Name::as_str));
    line.extend_from_slice(b",\"upstream\":");
    plain(line, facts.upstream.as_ref().map(Name::as_str));
    // Most requests meet what conditions there are.
    if !facts.roles.is_empty() {
        line.extend_from_slice(b",\"roles_unmet\":");
        texts(line, facts.roles.iter().map(Name::as_str));
    }
    // Most requests are within their quotas.
    if let Some(policy) = &facts.quota {
        line.extend_from_slice(b",\"quota\":");
        text(line, Some(&policy.name));
    }
    if let Some(policy) = &facts.quota_shadow {
        line.extend_from_slice(b",\"quota_shadow\":");
        text(line, Some(&policy.name));
    }
    line.extend_from_slice(b"}\n");
}

impl Stamp {
    /// The time to the millisecond, as RFC 3339 has it.
    fn write(&mut self, line: &mut Vec<u8>, time: jiff::Timestamp) {
        let second = time.as_second();
        if self.text.is_empty() || second != self.second {
            self.second = second;
            self.text = format!("{time:.0}");
            // The Z comes after the milliseconds.
            self.text.pop();
        }
        line.extend_from_slice(self.text.as_bytes());
        line.push(b'.');
        decimals(line, time.subsec_millisecond().unsigned_abs(), 3);
        line.push(b'Z');
    }
}

fn user_agent(line: &mut Vec<u8>, facts: &Facts) {
    let Some(agent) = &facts.user_agent else {
        return plain(line, None);
    };
    // Nearly all are of ASCII.
    let agent = match agent.to_str() {
        Ok(agent) => Cow::Borrowed(agent),
        Err(_) => String::from_utf8_lossy(agent.as_bytes()),
    };
    // First as a whole: the start of a token is none.
    let agent = shortened(credential::redacted(&agent), USER_AGENT_CHARS_MAX);
    text(line, Some(agent));
}

/// Writes what holds nothing that JSON escapes, as no name does.
fn plain(line: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => line.extend_from_slice(b"null"),
        Some(text) => {
            line.push(b'"');
            line.extend_from_slice(text.as_bytes());
            line.push(b'"');
        }
    }
}

fn text(line: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        return plain(line, None);
    };
    // Looked at to the end, so that the processor may look at many at once.
    let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let has_special = |found, byte| found | is_special(byte);
    if text.bytes().fold(false, has_special) {
        // A Vec takes everything, and a text is JSON whatever it says.
        let _ = serde_json::to_writer(line, text);
    } else {
        plain(line, Some(text));
    }
}

fn texts<'t>(line: &mut Vec<u8>, texts: impl Iterator<Item = &'t str>) {
    line.push(b'[');
    for (place, each) in texts.enumerate() {
        if place > 0 {
            line.push(b',');
        }
        text(line, Some(each));
    }
    line.push(b']');
}

fn address(line: &mut Vec<u8>, address: IpAddr) {
    line.push(b'"');
    put_address(line, address);
    line.push(b'"');
}

fn number(line: &mut Vec<u8>, number: Option<impl itoa::Integer>) {
    match number {
        Some(number) => line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        None => plain(line, None),
    }
}

/// Microseconds as milliseconds with what decimals there are, at least one.
fn milliseconds(line: &mut Vec<u8>, microseconds: Option<u32>) {
    let Some(microseconds) = microseconds else {
        return plain(line, None);
    };
    let (whole, part) = (microseconds / 1_000, microseconds % 1_000);
    number(line, Some(whole));
    line.push(b'.');
    match (part % 100, part % 10) {
        (0, _) => decimals(line, part / 100, 1),
        (_, 0) => decimals(line, part / 10, 2),
        _ => decimals(line, part, 3),
    }
}

/// A number below 1,000 with that many digits.
fn decimals(line: &mut Vec<u8>, number: u32, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number);
    line.extend(std::iter::repeat_n(b'0', digits.saturating_sub(text.len())));
    line.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn written(facts: &Facts) -> String {
        let mut line = Vec::new();
        super::write(&mut line, facts, &mut Stamp::default());
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_has_every_field_and_times_to_the_millisecond() {
        let facts = Facts {
            time: "2027-06-30T00:00:00.023956Z".parse().unwrap(),
            path: "/v1".into(),
            protocol: "HTTP/1.1",
            duration_us: 1_500,
            ..Facts::default()
        };

        assert_eq!(
            written(&facts),
            "{\"time\":\"2027-06-30T00:00:00.023Z\",\"request_id\":\"\",\"method\":\"GET\",\"host\":null,\
             \"path\":\"/v1\",\"protocol\":\"HTTP/1.1\",\"tls\":null,\"client\":null,\"client_certificate\":null,\"user_agent\":null,\"status\":null,\
             \"reason\":null,\"bytes_in\":0,\"bytes_out\":0,\"duration_ms\":1.5,\"upstream_ms\":null,\
             \"principal\":null,\"key\":null,\"key_id\":null,\"issuer\":null,\"subject\":null,\"scope\":null,\"route\":null,\"upstream\":null}\n"
        );
    }

    #[test]
    fn whatever_a_client_says_a_line_is_json() {
        let agent = "a\"\\\u{e4}\t".repeat(100);
        let facts = Facts {
            path: "/\u{0}\n\"".into(),
            user_agent: HeaderValue::from_bytes(agent.as_bytes()).ok(),
            client: "::1".parse().ok(),
            ..Facts::default()
        };

        let line: serde_json::Value = serde_json::from_str(&written(&facts)).unwrap();
        assert_eq!(line["path"], "/\u{0}\n\"");
        assert_eq!(line["client"], "::1");
        let cut: String = agent.chars().take(USER_AGENT_CHARS_MAX).collect();
        assert_eq!(line["user_agent"], cut);
    }

    #[test]
    fn lines_of_one_second_and_of_the_next_have_their_own_time() {
        let mut stamp = Stamp::default();
        let mut line = Vec::new();
        for time in [
            "1970-01-01T00:00:00.999Z",
            "1970-01-01T00:00:00.001Z",
            "2027-06-30T00:00:01Z",
        ] {
            stamp.write(&mut line, time.parse().unwrap());
        }

        assert_eq!(
            String::from_utf8(line).unwrap(),
            "1970-01-01T00:00:00.999Z1970-01-01T00:00:00.001Z2027-06-30T00:00:01.000Z"
        );
    }

    #[test]
    fn milliseconds_have_the_decimals_that_there_are() {
        for (microseconds, expected) in [
            (0, "0.0"),
            (1_500, "1.5"),
            (20, "0.02"),
            (7, "0.007"),
            (12_000, "12.0"),
        ] {
            let mut line = Vec::new();
            milliseconds(&mut line, Some(microseconds));
            assert_eq!(line, expected.as_bytes());
        }
    }
}
