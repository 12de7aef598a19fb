//! What a request is counted by, as a script in the store reads and says it.

use redis::{Cmd, Value};
use tollgate_gate::{Answer, Count, Demand, Found, Known, Rate};

/// Checks and charges everything at once, by the store's clock.
pub(super) const SCRIPT: &str = include_str!("count.lua");

/// What runs the script, or brings it along where the store has none of that digest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run<'a> {
    ByDigest(&'a str),
    Whole,
}

/// The command for demands that stand in one place.
pub(super) fn command(run: Run<'_>, prefix: &str, demands: &[Demand]) -> Cmd {
    let mut command = match run {
        Run::ByDigest(digest) => redis::cmd("EVALSHA").arg(digest).to_owned(),
        Run::Whole => redis::cmd("EVAL").arg(SCRIPT).to_owned(),
    };
    command.arg(demands.len());
    for demand in demands {
        command.arg(format!("{prefix}{{{}}}{}", demand.tag, demand.key));
    }
    for demand in demands {
        write(demand, &mut command);
    }
    command
}

fn write(demand: &Demand, command: &mut Cmd) {
    let (kind, a, b, c) = match demand.rate {
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
    command.arg(kind).arg(demand.quota);
    command.arg(u8::from(demand.is_shadow));
    let (back_at, back) = demand
        .returned
        .map_or((0, 0), |returned| (returned.at, returned.cost));
    let numbers = [
        a,
        b,
        c,
        demand.cost.into(),
        demand.lease_max.into(),
        back_at,
        back.into(),
    ];
    for number in numbers {
        command.arg(number);
    }
    let known: Vec<u64> = match &demand.known {
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
