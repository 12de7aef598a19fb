//! The provider is killed wherever it could be, and the next apply loses nothing and leaves nothing behind.
//!
//! The short form kills after every call that changes something in the store: that is every state in which the store
//! can be found. The long one (`make soak`) kills before and after every call.

use tollgate_acceptance::{Calls, Disturbance, Endpoint, Moment, Strike, Victim};

use crate::operations::{
    ADD_KEY, ADD_SET, CHANGE_KEY, CHANGE_SET, GROW_SET, Operation, REMOVE_KEY, REMOVE_SET,
    ROTATE_KEY, is_soak,
};
use crate::stores::{Run, disturbed};

/// More calls than any apply here makes.
const CALLS_MAX: u32 = 400;

#[test]
fn a_key_is_created_though_the_provider_is_killed_at_any_call() {
    survive(&ADD_KEY);
}

#[test]
fn a_key_is_rotated_though_the_provider_is_killed_at_any_call() {
    survive(&ROTATE_KEY);
}

#[test]
fn a_key_is_changed_though_the_provider_is_killed_at_any_call() {
    survive(&CHANGE_KEY);
}

#[test]
fn a_key_is_removed_though_the_provider_is_killed_at_any_call() {
    survive(&REMOVE_KEY);
}

#[test]
fn a_key_set_is_created_though_the_provider_is_killed_at_any_call() {
    survive(&ADD_SET);
}

#[test]
fn a_key_set_is_changed_though_the_provider_is_killed_at_any_call() {
    survive(&CHANGE_SET);
}

#[test]
fn a_key_set_outgrows_its_parts_though_the_provider_is_killed_at_any_call() {
    survive(&GROW_SET);
}

#[test]
fn a_key_set_is_removed_though_the_provider_is_killed_at_any_call() {
    survive(&REMOVE_SET);
}

fn survive(operation: &Operation) {
    let (run, endpoint) = disturbed("crash");
    let strikes = if is_soak() {
        [
            Some((Calls::Every, Moment::Before)),
            Some((Calls::Every, Moment::After)),
        ]
    } else {
        [Some((Calls::Changing, Moment::After)), None]
    };
    for (calls, moment) in strikes.into_iter().flatten() {
        let survived = kill_at_each(&run, &endpoint, operation, (calls, moment));
        assert!(survived > 1, "nothing was killed: the test tests nothing");
    }
    run.declare("");
    run.terraform.apply(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// Kills at the first call, the second, and so on, until an apply makes fewer; returns how often.
fn kill_at_each(
    run: &Run,
    endpoint: &Endpoint,
    operation: &Operation,
    (calls, moment): (Calls, Moment),
) -> u32 {
    let victim = Victim::of(&run.binaries, &run.terraform).unwrap();
    let mut failures = 0;
    for number in 1..CALLS_MAX {
        operation.prepare(run, number);
        let victim = victim.clone();
        endpoint.disturb(Disturbance::Strike(Strike {
            calls,
            number,
            moment,
            act: Box::new(move || assert!(victim.kill().unwrap(), "no provider was found")),
        }));
        let killed = run.terraform.try_apply().unwrap();
        if !endpoint.calm() {
            killed.expect_success().unwrap();
            operation.check(run);
            assert!(failures > 0, "no apply failed");
            return number - 1;
        }
        // Its last calls come once Terraform got every answer.
        failures += u32::from(killed.status != 0);
        run.terraform.apply(&[]).unwrap();
        operation.check(run);
    }
    panic!("an apply made more than {CALLS_MAX} calls")
}
