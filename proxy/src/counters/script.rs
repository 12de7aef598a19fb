//! What a request is counted by, as a script in the store reads and says it.

use redis::{Cmd, Value};
use tollgate_gate::{Answer, Count, Demand, Found, GiveBack, Known, Rate, Returned};

/// Checks and charges everything at once, by the store's clock.
pub(super) const SCRIPT: &str = include_str!("count.lua");

/// What is counted to try whether a server counts: it is forgotten within a tenth of a second.
const PROBE: Rate = Rate::Strict {
    requests: u32::MAX,
    cell_us: 1_000,
};

/// What runs the script, or brings it along where the store has none of that digest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run<'a> {
    ByDigest(&'a str),
    Whole,
}

/// What keys are called.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// What all of them begin with.
    pub(super) prefix: String,
    /// What no other process is called.
    pub(super) process: String,
}

/// What the script is told of one limit.
struct Part<'a> {
    tag: &'a str,
    key: &'a str,
    rate: Rate,
    quota: usize,
    is_shadow: bool,
    cost: u32,
    lease_max: u32,
    returned: Option<Returned>,
    known: Option<&'a Known>,
}

/// The command for demands that stand in one place.
pub(super) fn command(run: Run<'_>, names: &Names, demands: &[Demand]) -> Cmd {
    let part = |demand| {
        let Demand {
            tag,
            key,
            quota,
            is_shadow,
            rate,
            cost,
            lease_max,
            returned,
            known,
            ..
        }: &Demand = demand;
        Part {
            tag,
            key,
            rate: *rate,
            quota: *quota,
            is_shadow: *is_shadow,
            cost: *cost,
            lease_max: *lease_max,
            returned: *returned,
            known: known.as_ref(),
        }
    };
    compose(run, names, demands.iter().map(part))
}

/// The command that gives back what was not spent, of one place.
pub(super) fn give_back(run: Run<'_>, names: &Names, given: &[GiveBack]) -> Cmd {
    let part = |given| {
        let GiveBack {
            tag,
            key,
            rate,
            returned,
        }: &GiveBack = given;
        Part {
            cost: 0,
            returned: Some(*returned),
            ..Part::of(tag, key, *rate)
        }
    };
    compose(run, names, given.iter().map(part))
}

/// The command that counts something of no use, for a moment, under each tag.
pub(super) fn probe(run: Run<'_>, names: &Names, tags: &[String]) -> Cmd {
    let part = |tag| Part::of(tag, "probe", PROBE);
    compose(run, names, tags.iter().map(String::as_str).map(part))
}

impl<'a> Part<'a> {
    fn of(tag: &'a str, key: &'a str, rate: Rate) -> Self {
        Self {
            tag,
            key,
            rate,
            quota: 0,
            is_shadow: false,
            cost: 1,
            lease_max: 0,
            returned: None,
            known: None,
        }
    }
}

fn compose<'a>(run: Run<'_>, names: &Names, parts: impl Iterator<Item = Part<'a>>) -> Cmd {
    let mut command = match run {
        Run::ByDigest(digest) => redis::cmd("EVALSHA").arg(digest).to_owned(),
        Run::Whole => redis::cmd("EVAL").arg(SCRIPT).to_owned(),
    };
    let parts: Vec<_> = parts.collect();
    let key = |part: &Part<'_>| format!("{}{{{}}}{}", names.prefix, part.tag, part.key);
    let returns = parts.iter().filter(|part| part.returned.is_some());
    let notes = returns.map(|part| format!("{}|b|{}", key(part), names.process));
    let keys: Vec<_> = parts.iter().map(key).chain(notes).collect();
    command.arg(keys.len()).arg(keys).arg(parts.len());
    for part in &parts {
        write(part, &mut command);
    }
    command
}

fn write(part: &Part<'_>, command: &mut Cmd) {
    let (kind, a, b, c) = match part.rate {
        Rate::Strict { requests, cell_us } => ("w", requests.into(), cell_us, 0),
        Rate::Smooth {
            distance_ns,
            ahead_ns,
        } => ("s", distance_ns, ahead_ns, 0),
        Rate::Calendar {
            requests,
            ends_us: [end, next],
        } => ("c", requests.into(), end, next),
    };
    command.arg(kind).arg(part.quota);
    command.arg(u8::from(part.is_shadow));
    let (back_at, back, back_number) = part.returned.map_or((0, 0, 0), |returned| {
        (returned.at, returned.cost, returned.number)
    });
    let numbers = [
        a,
        b,
        c,
        part.cost.into(),
        part.lease_max.into(),
        back_at,
        back.into(),
        back_number,
    ];
    for number in numbers {
        command.arg(number);
    }
    let known: Vec<u64> = match part.known {
        None => Vec::new(),
        Some(Known::Cells(total, cells)) => {
            let pairs = cells
                .iter()
                .flat_map(|(age, count)| [*age, u64::from(*count)]);
            std::iter::once(u64::from(*total)).chain(pairs).collect()
        }
        Some(Known::Debt(nanos)) => vec![*nanos],
        Some(Known::Tally(ends_us, total)) => vec![*ends_us, u64::from(*total)],
    };
    command.arg(known.len());
    for number in known {
        command.arg(number);
    }
}

/// Reads what the script says; `None`: no script of ours says that.
pub(super) fn read(value: &Value, demands: &[Demand]) -> Option<Answer> {
    let [is_admitted, now, limits @ ..] = array(value)? else {
        return None;
    };
    if limits.len() != demands.len() {
        return None;
    }
    let found = limits.iter().zip(demands);
    let found = found.map(|(limit, demand)| found_of(limit, demand));
    Some(Answer {
        is_admitted: number(is_admitted)? == 1,
        now_us: number(now)?,
        found: found.collect::<Option<_>>()?,
    })
}

fn found_of(value: &Value, demand: &Demand) -> Option<Found> {
    let [fits, is_charged, leased, leased_at, lease_us, count @ ..] = array(value)? else {
        return None;
    };
    let count = match (demand.rate, count) {
        (Rate::Strict { .. }, [newest, cells @ ..]) => {
            let pairs = cells.chunks_exact(2);
            let cell = |pair: &[Value]| match pair {
                [cell, count] => Some((number(cell)?, small(count)?)),
                _ => None,
            };
            Count::Cells(number(newest)?, pairs.map(cell).collect::<Option<_>>()?)
        }
        (Rate::Smooth { .. }, [debt]) => Count::Debt(number(debt)?),
        (Rate::Calendar { .. }, [ends, total]) => Count::Tally(number(ends)?, small(total)?),
        _ => return None,
    };
    Some(Found {
        fits: number(fits)? == 1,
        is_charged: number(is_charged)? == 1,
        leased: small(leased)?,
        leased_at: number(leased_at)?,
        lease_us: number(lease_us)?,
        count,
    })
}

fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn small(value: &Value) -> Option<u32> {
    u32::try_from(number(value)?).ok()
}
