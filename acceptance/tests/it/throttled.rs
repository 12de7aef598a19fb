//! A store that asks to slow down.

use tollgate_acceptance::Disturbance;

use crate::stores::disturbed;

const SEED: u64 = 20_270_101;

fn keys(count: u32) -> String {
    format!(
        r#"
resource "tollgate_scope" "it" {{
  name   = "orders:read"
  grants = [{{ path = "/v1/orders/**" }}]
}}
resource "tollgate_key" "it" {{
  count  = {count}
  name   = "key-${{count.index}}"
  scopes = [tollgate_scope.it.name]
}}
"#
    )
}

#[test]
fn a_third_of_all_calls_may_be_refused_and_everything_is_made_and_removed() {
    let (run, endpoint) = disturbed("slow");
    let throttle = || Disturbance::Throttling {
        percent: 30,
        from: 1,
        seed: SEED,
    };
    endpoint.disturb(throttle());
    run.declare(&keys(30));

    let applied = run.terraform.apply(&[]).unwrap();

    assert!(
        applied.output.contains("31 added, 0 changed, 0 destroyed"),
        "{}",
        applied.output
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
    assert!(endpoint.throttled() > 0, "nothing was refused");
    run.assert_nothing_is_left();
}

#[test]
fn a_store_that_refuses_everything_is_told_and_what_was_made_is_kept() {
    let (run, endpoint) = disturbed("slow");
    // Some are made before it begins.
    endpoint.disturb(Disturbance::Throttling {
        percent: 100,
        from: 6,
        seed: SEED,
    });
    run.declare(&keys(4));

    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();

    assert!(
        refused.flowing().contains("asks to slow down"),
        "{}",
        refused.output
    );
    let _ = endpoint.calm();
    let kept = run.terraform.run(&["state", "list"]).unwrap().output;
    assert!(kept.contains("tollgate_scope.it"), "{kept}");
    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    let kept = run.terraform.run(&["state", "list"]).unwrap().output;
    assert_eq!(
        kept.lines()
            .filter(|line| line.starts_with("tollgate_"))
            .count(),
        5,
        "{kept}"
    );
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}
