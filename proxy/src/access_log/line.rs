//! A line, written by hand: it is most of what a request costs beyond its bytes.

use std::borrow::Cow;
use std::net::IpAddr;

use smol_str::SmolStr;
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
///
/// What writes a field is one function for all fields of a kind, and never inlined: a copy for each would be a third of
/// the code that a request runs through, and the processor waits for code that it runs through once.
pub(super) fn write(line: &mut Vec<u8>, facts: &Facts, stamp: &mut Stamp) {
    line.extend_from_slice(b"{\"time\":\"");
    stamp.write(line, facts.time);
    let id = facts.request_id.as_ref().and_then(|id| id.to_str().ok());
    text(line, "\",\"request_id\":", Some(id.unwrap_or_default()));
    let method = credential::redacted(facts.method.as_str());
    text(line, ",\"method\":", Some(method));
    short(line, ",\"host\":", facts.host.as_ref());
    short(line, ",\"path\":", Some(&facts.path));
    plain(line, ",\"protocol\":", Some(facts.protocol));
    plain(line, ",\"tls\":", facts.tls);
    address(line, ",\"client\":", facts.client);
    let certificate = facts.client_certificate.as_deref();
    plain(line, ",\"client_certificate\":", certificate);
    user_agent(line, ",\"user_agent\":", facts);
    number(line, ",\"status\":", facts.status.map(Into::into));
    plain(line, ",\"reason\":", facts.reason);
    number(line, ",\"bytes_in\":", Some(facts.bytes_in));
    number(line, ",\"bytes_out\":", Some(facts.bytes_out));
    milliseconds(line, ",\"duration_ms\":", Some(facts.duration_us));
    milliseconds(line, ",\"upstream_ms\":", facts.upstream_us);
    name(line, ",\"principal\":", facts.principal.as_ref());
    short(line, ",\"key\":", facts.key.as_ref());
    let key_id = facts.key_id.as_ref().map(KeyId::as_str);
    plain(line, ",\"key_id\":", key_id);
    name(line, ",\"issuer\":", facts.issuer.as_ref());
    short(line, ",\"subject\":", facts.subject.as_ref());
    name(line, ",\"scope\":", facts.scope.as_ref());
    name(line, ",\"route\":", facts.route.as_ref());
    name(line, ",\"upstream\":", facts.upstream.as_ref());
    // Most requests meet what conditions there are.
    if !facts.roles.is_empty() {
        texts(
            line,
            ",\"roles_unmet\":",
            facts.roles.iter().map(Name::as_str),
        );
    }
    // Most requests are within their quotas.
    if let Some(policy) = &facts.quota {
        text(line, ",\"quota\":", Some(&policy.name));
    }
    if let Some(policy) = &facts.quota_shadow {
        text(line, ",\"quota_shadow\":", Some(&policy.name));
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

fn user_agent(line: &mut Vec<u8>, before: &str, facts: &Facts) {
    let Some(agent) = &facts.user_agent else {
        return plain(line, before, None);
    };
    // Nearly all are of ASCII.
    let agent = match agent.to_str() {
        Ok(agent) => Cow::Borrowed(agent),
        Err(_) => String::from_utf8_lossy(agent.as_bytes()),
    };
    // First as a whole: the start of a token is none.
    let agent = shortened(credential::redacted(&agent), USER_AGENT_CHARS_MAX);
    text(line, before, Some(agent));
}

fn name(line: &mut Vec<u8>, before: &str, name: Option<&Name>) {
    plain(line, before, name.map(Name::as_str));
}

#[inline(never)]
fn short(line: &mut Vec<u8>, before: &str, short: Option<&SmolStr>) {
    text(line, before, short.map(SmolStr::as_str));
}

/// Writes what holds nothing that JSON escapes, as no name does.
#[inline(never)]
fn plain(line: &mut Vec<u8>, before: &str, text: Option<&str>) {
    line.extend_from_slice(before.as_bytes());
    match text {
        None => line.extend_from_slice(b"null"),
        Some(text) => quoted(line, text),
    }
}

#[inline(never)]
fn text(line: &mut Vec<u8>, before: &str, text: Option<&str>) {
    line.extend_from_slice(before.as_bytes());
    let Some(text) = text else {
        line.extend_from_slice(b"null");
        return;
    };
    // Looked at to the end, so that the processor may look at many at once.
    let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let has_special = |found, byte| found | is_special(byte);
    if text.bytes().fold(false, has_special) {
        // A Vec takes everything, and a text is JSON whatever it says.
        let _ = serde_json::to_writer(line, text);
    } else {
        quoted(line, text);
    }
}

#[inline(never)]
fn quoted(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    line.extend_from_slice(text.as_bytes());
    line.push(b'"');
}

fn texts<'t>(line: &mut Vec<u8>, before: &str, texts: impl Iterator<Item = &'t str>) {
    line.extend_from_slice(before.as_bytes());
    line.push(b'[');
    for (place, each) in texts.enumerate() {
        let before = if place > 0 { "," } else { "" };
        text(line, before, Some(each));
    }
    line.push(b']');
}

fn address(line: &mut Vec<u8>, before: &str, address: Option<IpAddr>) {
    let Some(address) = address else {
        return plain(line, before, None);
    };
    line.extend_from_slice(before.as_bytes());
    line.push(b'"');
    put_address(line, address);
    line.push(b'"');
}

#[inline(never)]
fn number(line: &mut Vec<u8>, before: &str, number: Option<u64>) {
    line.extend_from_slice(before.as_bytes());
    match number {
        Some(number) => line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        None => line.extend_from_slice(b"null"),
    }
}

/// Microseconds as milliseconds with what decimals there are, at least one.
#[inline(never)]
fn milliseconds(line: &mut Vec<u8>, before: &str, microseconds: Option<u32>) {
    let Some(microseconds) = microseconds else {
        return number(line, before, None);
    };
    let (whole, part) = (microseconds / 1_000, microseconds % 1_000);
    number(line, before, Some(whole.into()));
    line.push(b'.');
    match (part % 100, part % 10) {
        (0, _) => decimals(line, part / 100, 1),
        (_, 0) => decimals(line, part / 10, 2),
        _ => decimals(line, part, 3),
    }
}

/// A number below 1,000 with that many digits.
#[inline(never)]
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
            milliseconds(&mut line, "", Some(microseconds));
            assert_eq!(line, expected.as_bytes());
        }
    }
}
