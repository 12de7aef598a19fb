//! Applies that a person interrupts, and providers that are killed while they write files.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tollgate_acceptance::{
    Calls, Disturbance, Moment, Place, Process, Strike, Terraform, Victim, drawn,
};

use crate::operations::{
    ADD_KEY, CHANGE_KEY, CHANGE_SET, Operation, REMOVE_KEY, ROTATE_KEY, is_soak,
};
use crate::stores::{Run, directory, disturbed};

/// More calls that change something than any apply here makes.
const CALLS_MAX: u32 = 20;
const END_SECONDS_MAX: u64 = 60;
/// How often each operation is killed on the directory store; many times over in `make soak`.
const ROUNDS: u32 = 6;
const ROUNDS_OF_A_SOAK: u32 = 60;
const SEED: u64 = 4_711;

#[test]
fn an_apply_that_ctrl_c_ends_keeps_its_state_and_the_next_one_goes_on() {
    let (run, endpoint) = disturbed("ctrl-c");
    let mut interrupted = 0;
    for number in 1..=CALLS_MAX {
        ADD_KEY.prepare(&run, number);
        let victim = Victim::of(&run.binaries, &run.terraform).unwrap();
        endpoint.disturb(Disturbance::Strike(Strike {
            calls: Calls::Changing,
            number,
            moment: Moment::After,
            act: Box::new(move || victim.interrupt_group().unwrap()),
        }));

        let mut process =
            Process::start(run.terraform.command(&Terraform::APPLY).process_group(0)).unwrap();
        process.wait(END_SECONDS_MAX).unwrap();

        let struck = endpoint.calm();
        run.terraform.apply(&[]).unwrap();
        ADD_KEY.check(&run);
        if !struck {
            break;
        }
        interrupted += 1;
    }
    assert!(interrupted > 1, "nothing was interrupted");
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

#[test]
fn a_provider_that_is_killed_while_it_writes_files_leaves_what_the_next_apply_finishes() {
    for operation in [&ADD_KEY, &ROTATE_KEY, &CHANGE_SET, &REMOVE_KEY] {
        kill_at_random(operation);
    }
}

#[test]
fn a_provider_that_is_killed_while_it_waits_for_the_lock_has_changed_nothing_by_half() {
    for operation in [&ADD_KEY, &ROTATE_KEY, &CHANGE_KEY, &REMOVE_KEY, &CHANGE_SET] {
        let run = directory("locked");
        operation.prepare(&run, 1);
        let victim = Victim::of(&run.binaries, &run.terraform).unwrap();
        let path = lock_path(&run);
        let lock = File::options().write(true).open(&path).unwrap();
        lock.lock().unwrap();
        let mut process = Process::start(&mut run.terraform.command(&Terraform::APPLY)).unwrap();
        victim.await_open(&path).unwrap();

        assert!(victim.kill().unwrap());

        let status = process.wait(END_SECONDS_MAX).unwrap();
        assert_eq!(status.code(), Some(1), "{}", process.output());
        lock.unlock().unwrap();
        run.terraform.apply(&[]).unwrap();
        operation.check(&run);
        run.terraform.destroy(&[]).unwrap();
        run.assert_nothing_is_left();
    }
}

fn lock_path(run: &Run) -> PathBuf {
    let Place::Directory(folder) = &run.place else {
        panic!("not a directory")
    };
    folder.join(run.namespace.as_str()).join("lock")
}

fn kill_at_random(operation: &Operation) {
    let run = directory("killed");
    let victim = Victim::of(&run.binaries, &run.terraform).unwrap();
    let rounds = if is_soak() { ROUNDS_OF_A_SOAK } else { ROUNDS };
    operation.prepare(&run, 1);
    let unharmed = duration_of(|| run.terraform.apply(&[]).unwrap());
    operation.check(&run);
    for round in 2..2 + rounds {
        operation.prepare(&run, round);
        let share = drawn(SEED, u64::from(round)) % 100;
        let delay = unharmed * u32::try_from(share).unwrap() / 100;
        let mut process = Process::start(&mut run.terraform.command(&Terraform::APPLY)).unwrap();
        std::thread::sleep(delay);
        victim.kill().unwrap();
        process.wait(END_SECONDS_MAX).unwrap();

        run.terraform.apply(&[]).unwrap();
        operation.check(&run);
    }
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

#[expect(
    clippy::disallowed_methods,
    reason = "only says over which time the kills are spread"
)]
fn duration_of<T>(work: impl FnOnce() -> T) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
