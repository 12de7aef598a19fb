//! A backend and the proxies before it, in simulated time: no clock is read, and the same seed gives the same run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tollgate_gate::{Outcome, Throttle, ThrottleRule, Ticket, Verdict};
use tollgate_store::document::Priority;

/// How long a proxy waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The most times that an answer may take as long as by itself.
const LATENCY_MAX: f64 = 2.0;
/// The same where an upstream has fewer than [`FEW_PLACES`] for each proxy: one request more is much there.
const FEW_PLACES_LATENCY_MAX: f64 = 2.4;
const FEW_PLACES: usize = 10;
/// How many times as long a slow route takes.
const SLOW_FACTOR: f64 = 10.0;

/// What holds from a second on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) from_second: u32,
    /// Requests a second, over all proxies.
    pub(crate) rate: f64,
    /// What a usual request takes of a server, by itself; give or take a fifth.
    pub(crate) service: Duration,
    /// How many requests the backend works on at once; the others queue there.
    pub(crate) servers: usize,
    /// The share of requests that take ten times as long.
    pub(crate) slow: f64,
    /// The share of requests that are never answered, whatever the load.
    pub(crate) lost: f64,
}

/// What is simulated.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) seconds: u32,
    pub(crate) proxies: usize,
    pub(crate) phases: Vec<Phase>,
    /// Whether a fifth of the requests is critical and a fifth batch; otherwise all are default.
    pub(crate) is_mixed: bool,
}

/// What was seen in one second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Second {
    /// Requests that arrived, by priority: critical, default, batch.
    pub(crate) offered: [u32; 3],
    pub(crate) shed: [u32; 3],
    /// Answers, by when they came.
    pub(crate) answered: u32,
    pub(crate) timeouts: u32,
    /// From a request's arrival to its answer, in seconds: for those that were answered.
    pub(crate) latencies: Vec<f64>,
    /// The limits of all proxies at its end.
    pub(crate) limit: u32,
    /// The first proxy's baseline at its end, in seconds.
    pub(crate) baseline: f64,
    pub(crate) in_flight: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    WaitOver(usize),
    Served(usize),
    TimedOut(usize),
    Sample,
}

struct Request {
    proxy: usize,
    priority: Priority,
    arrived: Duration,
    began: Duration,
    service: Duration,
    is_lost: bool,
    ticket: Option<Ticket>,
    is_over: bool,
}

/// A run that is under way.
pub(crate) struct Run<'w> {
    world: &'w World,
    random: Random,
    now: Duration,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    events_len: u64,
    requests: Vec<Request>,
    throttles: Vec<Throttle<usize>>,
    queue: VecDeque<usize>,
    busy: usize,
    seconds: Vec<Second>,
}

impl World {
    /// Runs it to its end.
    pub(crate) fn run(&self) -> Vec<Second> {
        let rule = ThrottleRule::new(&tollgate_store::document::Throttle::default());
        let throttle = |_| Throttle::new(rule, Duration::ZERO);
        let mut run = Run {
            world: self,
            random: Random(self.seed),
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            events_len: 0,
            requests: vec![],
            throttles: (0..self.proxies).map(throttle).collect(),
            queue: VecDeque::new(),
            busy: 0,
            seconds: vec![Second::default(); self.seconds as usize],
        };
        run.at(Duration::ZERO, Event::Arrive);
        run.at(Duration::from_millis(999), Event::Sample);
        while run.step() {}
        run.seconds
    }

    /// How many times as long as by itself an answer may take.
    pub(crate) fn latency_max(&self) -> f64 {
        let fewest = self.phases.iter().map(|phase| phase.servers).min();
        if fewest.unwrap_or_default() < self.proxies * FEW_PLACES {
            FEW_PLACES_LATENCY_MAX
        } else {
            LATENCY_MAX
        }
    }

    fn phase(&self, now: Duration) -> &Phase {
        let second = now.as_secs();
        let past = |phase: &&Phase| u64::from(phase.from_second) <= second;
        self.phases.iter().rfind(past).unwrap()
    }
}

impl Phase {
    /// How many requests a second the backend can answer, of those that it answers at all.
    pub(crate) fn capacity(&self) -> f64 {
        self.servers as f64 / self.mean().as_secs_f64()
    }

    /// What a request takes by itself, on average.
    pub(crate) fn mean(&self) -> Duration {
        self.service
            .mul_f64(1.0 - self.slow + self.slow * SLOW_FACTOR)
    }
}

impl Run<'_> {
    fn step(&mut self) -> bool {
        let Some(Reverse((now, _, event))) = self.events.pop() else {
            return false;
        };
        self.now = now;
        if now.as_secs() >= u64::from(self.world.seconds) {
            return false;
        }
        match event {
            Event::Arrive => self.arrive(),
            Event::WaitOver(number) => self.give_up(number),
            Event::Served(number) => self.served(number),
            Event::TimedOut(number) => self.end(number, Outcome::Failed),
            Event::Sample => self.sample(),
        }
        true
    }

    fn arrive(&mut self) {
        let phase = *self.world.phase(self.now);
        // At any time from at once to twice the mean.
        if phase.rate == 0.0 {
            return self.at(Duration::from_millis(1), Event::Arrive);
        }
        let pause = self.random.next() * 2.0 / phase.rate;
        self.at(Duration::from_secs_f64(pause), Event::Arrive);
        let factor = if self.random.next() < phase.slow {
            SLOW_FACTOR
        } else {
            1.0
        };
        let number = self.requests.len();
        let request = Request {
            proxy: number % self.world.proxies,
            priority: self.priority(),
            arrived: self.now,
            began: self.now,
            service: phase
                .service
                .mul_f64(factor * (0.8 + 0.4 * self.random.next())),
            is_lost: self.random.next() < phase.lost,
            ticket: None,
            is_over: false,
        };
        let (proxy, priority) = (request.proxy, request.priority);
        self.requests.push(request);
        self.second().offered[place(priority)] += 1;
        match self.throttles[proxy].ask(priority, || number) {
            Verdict::Admitted | Verdict::Shadowed => self.send(number),
            Verdict::Shed => self.second().shed[place(priority)] += 1,
            Verdict::Waits(ticket) => {
                self.requests[number].ticket = Some(ticket);
                self.at(Duration::from_millis(10), Event::WaitOver(number));
            }
        }
    }

    fn priority(&mut self) -> Priority {
        let chance = self.random.next();
        match () {
            () if !self.world.is_mixed => Priority::Default,
            () if chance < 0.2 => Priority::Critical,
            () if chance < 0.8 => Priority::Default,
            () => Priority::Batch,
        }
    }

    fn send(&mut self, number: usize) {
        let now = self.now;
        let request = &mut self.requests[number];
        request.ticket = None;
        request.began = now;
        let is_lost = request.is_lost;
        self.at(TIMEOUT, Event::TimedOut(number));
        if !is_lost {
            self.queue.push_back(number);
            self.serve();
        }
    }

    fn serve(&mut self) {
        while self.busy < self.world.phase(self.now).servers
            && let Some(number) = self.queue.pop_front()
        {
            self.busy += 1;
            let service = self.requests[number].service;
            self.at(service, Event::Served(number));
        }
    }

    fn served(&mut self, number: usize) {
        self.busy -= 1;
        self.end(number, Outcome::Answered);
        self.serve();
    }

    /// The first of answer and timeout counts. A backend goes on with what nobody waits for any more.
    fn end(&mut self, number: usize, outcome: Outcome) {
        let now = self.now;
        let request = &mut self.requests[number];
        if std::mem::replace(&mut request.is_over, true) {
            return;
        }
        let (proxy, began, latency) = (
            request.proxy,
            request.began,
            now.saturating_sub(request.arrived),
        );
        let second = self.second();
        match outcome {
            Outcome::Answered => {
                second.answered += 1;
                second.latencies.push(latency.as_secs_f64());
            }
            _ => second.timeouts += 1,
        }
        let throttle = &mut self.throttles[proxy];
        let mut granted = throttle.note(began, outcome, now);
        granted.extend(throttle.release());
        for number in granted {
            self.send(number);
        }
    }

    fn give_up(&mut self, number: usize) {
        let request = &mut self.requests[number];
        let (proxy, priority) = (request.proxy, request.priority);
        if let Some(ticket) = request.ticket.take() {
            assert!(!self.throttles[proxy].abandon(priority, ticket));
            self.second().shed[place(priority)] += 1;
        }
    }

    fn sample(&mut self) {
        self.at(Duration::from_secs(1), Event::Sample);
        let states: Vec<_> = self.throttles.iter().map(Throttle::state).collect();
        let second = self.second();
        second.limit = states.iter().map(|state| state.limit).sum();
        second.in_flight = states.iter().map(|state| state.in_flight).sum();
        second.baseline = states[0].baseline.unwrap_or_default().as_secs_f64();
    }

    fn second(&mut self) -> &mut Second {
        &mut self.seconds[usize::try_from(self.now.as_secs()).unwrap()]
    }

    fn at(&mut self, pause: Duration, event: Event) {
        self.events_len += 1;
        let entry = (self.now + pause, self.events_len, event);
        self.events.push(Reverse(entry));
    }
}

/// The place of a priority in counts.
pub(crate) fn place(priority: Priority) -> usize {
    match priority {
        Priority::Critical => 0,
        Priority::Default => 1,
        Priority::Batch => 2,
    }
}

/// Numbers from 0 to 1 that look random: `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
