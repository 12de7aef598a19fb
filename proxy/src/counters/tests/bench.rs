//! A real store, whose script takes the time from its caller.

use std::collections::BTreeMap;

use redis::Cmd;
use redis::Value;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use tokio::runtime::Runtime;
use tollgate_gate::{Answer, Grant, Inquiry};

use super::super::script::{Run, SCRIPT};
use super::super::*;
use super::server::RedisServer;
use super::world::Process;

/// What makes a script's last two words the time, and lets what it counts end by it: the store's own clock goes on
/// however short the test is, and however long it has to wait for its turn.
const TIMED: [(&str, &str); 2] = [
    ("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}"),
    ("redis.call('PEXPIRE', limit.key, ", "ends_in(limit.key, "),
];
const ENDS: &str = r"
local now_ms = tonumber(ARGV[#ARGV - 1]) * 1000 + math.floor(tonumber(ARGV[#ARGV]) / 1000)
for _, key in ipairs(KEYS) do
  local ends = redis.call('HGET', 'ends', key)
  if ends and tonumber(ends) <= now_ms then
    redis.call('DEL', key)
    redis.call('HDEL', 'ends', key)
  end
end
local function ends_in(key, ms)
  redis.call('HSET', 'ends', key, string.format('%.0f', now_ms + ms))
end
";

/// A store whose script takes the time as its last two words.
pub(super) struct Bench {
    pub(super) runtime: Runtime,
    pub(super) server: RedisServer,
    pub(super) link: MultiplexedConnection,
    pub(super) digest: String,
}

impl Bench {
    pub(super) fn new() -> Self {
        let server = RedisServer::start();
        let runtime = Runtime::new().unwrap();
        let timed = TIMED
            .iter()
            .fold(SCRIPT.to_owned(), |script, (said, meant)| {
                assert!(script.contains(said), "{said}");
                script.replace(said, meant)
            });
        let timed = format!("{ENDS}{timed}");
        let (link, digest) = runtime.block_on(async {
            let client = redis::Client::open(server.url()).unwrap();
            let mut link = client.get_multiplexed_async_connection().await.unwrap();
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(timed);
            let digest: String = load.query_async(&mut link).await.unwrap();
            (link, digest)
        });
        Self {
            runtime,
            server,
            link,
            digest,
        }
    }

    pub(super) fn forget(&self) {
        let mut link = self.link.clone();
        let flush = redis::cmd("FLUSHALL");
        self.runtime
            .block_on(link.req_packed_command(&flush))
            .unwrap();
    }

    /// Decides a request that comes `now_us` by the store's clock, of a process whose own is `offset` behind.
    pub(super) fn admit(
        &self,
        process: &Process,
        grant: &Grant<'_>,
        now_us: u64,
    ) -> Result<Admission, Refusal> {
        let arrival = process.arrival(grant, now_us);
        let inquiry = match process.ask(&arrival)? {
            Asked::Alone(admission) | Asked::Lent(admission) => return Ok(admission),
            Asked::Inquiry(inquiry) => inquiry,
        };
        let answer = self.answer(process, &inquiry, now_us);
        process.meter.answer(&arrival, &inquiry, &answer)
    }

    pub(super) fn answer(&self, process: &Process, inquiry: &Inquiry, now_us: u64) -> Answer {
        process.asked.set(process.asked.get() + 1);
        let run = Run::ByDigest(&self.digest);
        let value = self.run(
            script::command(run, &process.names, &inquiry.demands),
            now_us,
        );
        let answer = script::read(&value, &inquiry.demands);
        answer.unwrap_or_else(|| panic!("{value:?}"))
    }

    pub(super) fn take_back(&self, process: &Process, given: &[GiveBack], now_us: u64) {
        let run = Run::ByDigest(&self.digest);
        self.run(script::give_back(run, &process.names, given), now_us);
    }

    pub(super) fn run(&self, mut command: Cmd, now_us: u64) -> Value {
        command.arg(now_us / 1_000_000).arg(now_us % 1_000_000);
        let mut link = self.link.clone();
        let value = self.runtime.block_on(link.req_packed_command(&command));
        value.unwrap().extract_error().unwrap()
    }

    /// The keys of what it counts.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .runtime
            .block_on(async { self.server.ask(&["KEYS", "*"]).await });
        keys.retain(|key| key != "ends" && !key.contains("|b|"));
        keys
    }

    /// All that it counts, of strict limits and of the calendar's.
    pub(super) fn counted(&self) -> u64 {
        let counted = self.keys().into_iter().map(|key| {
            let stored = async { self.server.ask(&["HGETALL", &key]).await };
            let mut stored: BTreeMap<String, u64> = self.runtime.block_on(stored);
            stored.remove("e");
            stored.values().sum::<u64>()
        });
        counted.sum()
    }
}
