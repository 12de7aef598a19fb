//! The script in a real store, by a clock that the tests set.

use std::collections::{BTreeMap, VecDeque};

use http::{HeaderMap, HeaderValue, Method, Uri};
use proptest::prelude::*;
use redis::Cmd;
use redis::Value;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use serde_json::json;
use tokio::runtime::Runtime;
use tollgate_conditions::Cedar;
use tollgate_gate::{
    Answer, Circumstances, Grant, Inquiry, Now, OverQuota, Principal, Snapshot, Standing, Target,
};
use tollgate_store::document::{DocumentId, Entry};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId};

use super::script::{Run, SCRIPT};
use super::*;

#[path = "../../tests/it/support/redis.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod server;

use server::RedisServer;

mod leases;
mod obedience;

/// A Monday at noon, far from every border of the calendar.
const START_US: u64 = 1_800_273_600_000_000;
/// The largest cost that a route of the world has.
const COST_MAX: u32 = 5;

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
struct Bench {
    runtime: Runtime,
    server: RedisServer,
    link: MultiplexedConnection,
    digest: String,
}

impl Bench {
    fn new() -> Self {
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

    fn forget(&self) {
        let mut link = self.link.clone();
        let flush = redis::cmd("FLUSHALL");
        self.runtime
            .block_on(link.req_packed_command(&flush))
            .unwrap();
    }

    /// Decides a request that comes `now_us` by the store's clock, of a process whose own is `offset` behind.
    fn admit(
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

    fn answer(&self, process: &Process, inquiry: &Inquiry, now_us: u64) -> Answer {
        process.asked.set(process.asked.get() + 1);
        let run = Run::ByDigest(&self.digest);
        let value = self.run(
            script::command(run, &process.names, &inquiry.demands),
            now_us,
        );
        let answer = script::read(&value, &inquiry.demands);
        answer.unwrap_or_else(|| panic!("{value:?}"))
    }

    fn take_back(&self, process: &Process, given: &[GiveBack], now_us: u64) {
        let run = Run::ByDigest(&self.digest);
        self.run(script::give_back(run, &process.names, given), now_us);
    }

    fn run(&self, mut command: Cmd, now_us: u64) -> Value {
        command.arg(now_us / 1_000_000).arg(now_us % 1_000_000);
        let mut link = self.link.clone();
        let value = self.runtime.block_on(link.req_packed_command(&command));
        value.unwrap().extract_error().unwrap()
    }

    /// The keys of what it counts.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .runtime
            .block_on(async { self.server.ask(&["KEYS", "*"]).await });
        keys.retain(|key| key != "ends" && !key.contains("|b|"));
        keys
    }

    /// All that it counts, of strict limits and of the calendar's.
    fn counted(&self) -> u64 {
        let counted = self.keys().into_iter().map(|key| {
            let stored = async { self.server.ask(&["HGETALL", &key]).await };
            let mut stored: BTreeMap<String, u64> = self.runtime.block_on(stored);
            stored.remove("e");
            stored.values().sum::<u64>()
        });
        counted.sum()
    }
}

struct Process {
    meter: Meter,
    offset_us: u64,
    names: Names,
    connection: u32,
    asked: std::cell::Cell<u32>,
}

impl Process {
    fn new(offset_us: u64) -> Self {
        Self {
            meter: Meter::default(),
            names: Names {
                prefix: "test:".to_owned(),
                process: format!("{:x}", rand::rng().random::<u64>()),
            },
            offset_us,
            connection: 1,
            asked: std::cell::Cell::new(0),
        }
    }

    fn arrival<'a>(&self, grant: &'a Grant<'a>, now_us: u64) -> Arrival<'a> {
        Arrival {
            grant,
            address: None,
            now: moment(now_us - self.offset_us),
        }
    }

    fn ask(&self, arrival: &Arrival<'_>) -> Result<Asked, Refusal> {
        self.meter.ask(arrival, &|_| self.connection)
    }
}

fn moment(now_us: u64) -> Now {
    let micros = i64::try_from(now_us).unwrap();
    Now {
        wall: jiff::Timestamp::from_microsecond(micros).unwrap(),
        monotonic: Duration::from_micros(now_us),
    }
}

fn entry(kind: &str, name: &str, spec: &serde_json::Value) -> Entry {
    let place = DocumentId {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let json = json!({"kind": kind, "name": name, "schema": 1, "revision": "0", "spec": spec});
    Entry::parse(place, json)
}

/// A key that `quotas` count, and what costs 1 to 5 at `/1` to `/5`.
struct World {
    snapshot: Snapshot,
    headers: HeaderMap,
}

impl World {
    fn new(quotas: &[serde_json::Value]) -> Self {
        let id = KeyId::derive(
            &Namespace::parse("test").unwrap(),
            &Name::parse("acme").unwrap(),
        );
        let token = token::generate(&Environment::default(), id).unwrap();
        let names: Vec<_> = (0..quotas.len())
            .map(|number| format!("q{number}"))
            .collect();
        let version = json!({
            "version": 1, "sha256": Verifier::of(token.expose()), "created_at": "2026-01-01T00:00:00Z",
        });
        let key = json!({"id": id, "scopes": ["all"], "quotas": names, "versions": [version]});
        let listen = json!({"listen": [{"address": "127.0.0.1:80"}]});
        let mut entries = vec![
            entry("proxy", "edge", &listen),
            entry(
                "upstream",
                "orders",
                &json!({"targets": ["http://10.0.0.1:80"]}),
            ),
            entry("scope", "all", &json!({"grants": [{"path": "/**"}]})),
            entry("key", "acme", &key),
        ];
        for (name, quota) in names.iter().zip(quotas) {
            entries.push(entry("quota", name, quota));
        }
        for cost in 1..=COST_MAX {
            let path = format!("/{cost}");
            let route = json!({"proxy": "edge", "path": path, "upstream": "orders", "cost": cost});
            entries.push(entry("route", &format!("r{cost}"), &route));
        }
        let (snapshot, rejected) = Snapshot::build(&entries, &Name::parse("edge").unwrap(), &Cedar);
        assert_eq!(rejected, []);
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).unwrap();
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
        Self { snapshot, headers }
    }

    fn principal(&self) -> Principal<'_> {
        let identified = self
            .snapshot
            .identify(&self.headers, None, moment(START_US));
        identified.unwrap()
    }

    fn grant<'a>(&'a self, principal: &'a Principal<'a>, cost: u32) -> Grant<'a> {
        let path = Uri::try_from(format!("/{cost}")).unwrap();
        let target = Target::parse(&Method::GET, Some("api.test"), &path).unwrap();
        let circumstances = Circumstances {
            address: None,
            time: moment(START_US).wall,
            headers: &self.headers,
        };
        self.snapshot
            .authorize(principal, &target, &circumstances)
            .unwrap()
    }
}

/// Limits of one quota, each of another kind.
fn limits() -> impl Strategy<Value = serde_json::Value> {
    let strict = (1_u32..40, 60_u32..600).prop_map(
        |(requests, seconds)| json!({"requests": requests, "per": format!("{seconds}s")}),
    );
    let smooth = (1_u32..90, 1_u32..20).prop_map(|(requests, burst)| {
        json!({"requests": requests, "per": "1m", "window": "smooth", "burst": burst})
    });
    let day = (1_u32..200).prop_map(|requests| json!({"requests": requests, "per": "day"}));
    let kinds = [strict.boxed(), smooth.boxed(), day.boxed()];
    proptest::sample::subsequence(vec![0, 1, 2], 1..=3).prop_flat_map(move |chosen| {
        let chosen: Vec<_> = chosen
            .iter()
            .map(|kind: &usize| kinds[*kind].clone())
            .collect();
        chosen.prop_map(|limits| json!(limits))
    })
}

fn quotas() -> impl Strategy<Value = Vec<serde_json::Value>> {
    let quota = (limits(), proptest::bool::weighted(0.2))
        .prop_map(|(limits, shadow)| json!({"limits": limits, "shadow": shadow}));
    prop::collection::vec(quota, 1..=3)
}

fn gaps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let gap = prop_oneof![4 => 0_u64..1_000_000, 2 => 0_u64..30_000_000, 1 => 0_u64..7_200_000_000];
    prop::collection::vec((gap, 1..=COST_MAX), 1..120)
}

#[test]
fn the_store_decides_as_the_meter_does_by_itself() {
    let bench = Bench::new();
    let config = ProptestConfig::with_cases(48);
    proptest!(config, |(quotas in quotas(), gaps in gaps())| {
        bench.forget();
        let world = World::new(&quotas);
        let principal = world.principal();
        let (alone, shared) = (Meter::default(), Process::new(0));
        let mut now_us = START_US;
        for (gap, cost) in gaps {
            now_us += gap;
            let grant = world.grant(&principal, cost);
            let expected = alone.admit(&grant, None, moment(now_us));
            let decided = bench.admit(&shared, &grant, now_us);
            let seen = |outcome: &Result<Admission, Refusal>| match outcome {
                Ok(admission) => {
                    let told = |standing: &Standing| (standing.remaining, standing.more_in);
                    Ok((admission.standing().map(told), admission.exceeded().is_some()))
                }
                Err(Refusal::OverQuota(over)) => Err(over.retry_after),
                Err(other) => panic!("{other}"),
            };
            prop_assert_eq!(seen(&decided), seen(&expected));
        }
    });
}

#[test]
fn no_window_holds_more_than_the_limit_however_many_processes_lend_of_it() {
    let bench = Bench::new();
    let config = ProptestConfig::with_cases(6);
    let arrivals = prop::collection::vec((0_u64..120_000, 0_usize..4, 1..=COST_MAX), 1_500..3_000);
    proptest!(config, |(limit in 1_000_u32..2_000, arrivals in arrivals)| {
        bench.forget();
        let world = World::new(&[json!({"limits": [{"requests": limit, "per": "1m"}]})]);
        let principal = world.principal();
        let processes = [0, 17, 3_600_000_000, 86_400_123_456].map(Process::new);
        let mut window: VecDeque<(u64, u32)> = VecDeque::new();
        let (mut now_us, mut held, mut most) = (START_US, 0, 0);
        for (gap, process, cost) in arrivals {
            now_us += gap;
            while window.front().is_some_and(|(at, _)| at + 60_000_000 < now_us) {
                held -= window.pop_front().unwrap().1;
            }
            let grant = world.grant(&principal, cost);
            if bench.admit(&processes[process], &grant, now_us).is_ok() {
                window.push_back((now_us, cost));
                held += cost;
                most = most.max(held);
                prop_assert!(held <= limit, "{held} of {limit}");
            } else {
                // Nothing stands idle: what is lent elsewhere is an eighth of what was left at most.
                prop_assert!(held * 10 >= limit * 8, "{held} of {limit}");
            }
        }
        let asked: u32 = processes.iter().map(|process| process.asked.get()).sum();
        prop_assert!(asked > 0 && most > 0);
    });
}

#[test]
fn steady_load_of_a_large_limit_seldom_asks() {
    let bench = Bench::new();
    let world = World::new(&[json!({"limits": [{"requests": 100_000, "per": "1m"}]})]);
    let principal = world.principal();
    let process = Process::new(0);
    let grant = world.grant(&principal, 1);
    let requests = 50_000_u64;
    for number in 0..requests {
        bench
            .admit(&process, &grant, START_US + number * 1_000)
            .unwrap();
    }

    let asked = u64::from(process.asked.get());
    assert!(asked * 50 < requests, "{asked} of {requests}");
}

#[test]
fn what_the_store_forgot_comes_back_with_the_next_connection() {
    for limit in [
        json!({"requests": 10, "per": "1m"}),
        json!({"requests": 10, "per": "day"}),
        json!({"requests": 10, "per": "1h", "window": "smooth", "burst": 10}),
    ] {
        let bench = Bench::new();
        let world = World::new(&[json!({"limits": [limit]})]);
        let principal = world.principal();
        let grant = world.grant(&principal, 1);
        let mut process = Process::new(0);
        for number in 0..10 {
            bench.admit(&process, &grant, START_US + number).unwrap();
        }
        assert!(
            bench.admit(&process, &grant, START_US + 10).is_err(),
            "{limit}"
        );

        bench.forget();
        process.connection = 2;
        assert!(
            bench.admit(&process, &grant, START_US + 11).is_err(),
            "{limit}"
        );
        // Another process learns it from the store.
        let other = Process::new(5);
        assert!(
            bench.admit(&other, &grant, START_US + 12).is_err(),
            "{limit}"
        );
    }
}

#[test]
fn what_was_counted_without_the_store_is_taken_where_it_is_more() {
    let bench = Bench::new();
    let world = World::new(&[json!({"limits": [{"requests": 10, "per": "1m"}]})]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let (one, other) = (Process::new(0), Process::new(0));
    for number in 0..4 {
        bench.admit(&other, &grant, START_US + number).unwrap();
    }
    for number in 0..6 {
        let arrival = Arrival {
            grant: &grant,
            address: None,
            now: moment(START_US + number),
        };
        one.meter.admit_unheard(&arrival).unwrap();
    }

    // Six are more than four: four more are admitted, and none twice.
    let admitted = (0..20).filter(|number| {
        let process = if number % 2 == 0 { &one } else { &other };
        bench
            .admit(process, &grant, START_US + 100 + number)
            .is_ok()
    });
    assert_eq!(admitted.count(), 4);
}

#[test]
fn a_limit_that_a_process_counts_alone_costs_the_store_nothing() {
    let bench = Bench::new();
    let world = World::new(&[
        json!({"limits": [{"requests": 2, "per": "1m"}]}),
        json!({"limits": [{"concurrent": 1}]}),
    ]);
    let principal = world.principal();
    let grant = world.grant(&principal, 1);
    let process = Process::new(0);
    let first = bench.admit(&process, &grant, START_US).unwrap();
    for number in 1..5 {
        assert!(bench.admit(&process, &grant, START_US + number).is_err());
    }
    assert_eq!(process.asked.get(), 1);

    drop(first);
    assert!(bench.admit(&process, &grant, START_US + 9).is_ok());
}
