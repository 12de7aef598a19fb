//! The quickstart's tour, as the demo goes it.

use tollgate_acceptance::tour::Stage;

use crate::stores::{Run, on_both_stores};

on_both_stores! {
    from_an_empty_store_to_a_key_that_opens_a_door_and_is_revoked => super::the_tour;
}

fn the_tour(run: &Run) {
    let mut stage = Stage::set(&run.binaries, &run.place, &run.namespace).unwrap();
    let unready = stage.proxy.admin("/readyz").unwrap();
    assert_eq!(unready.status, 503, "{}", unready.body);

    stage.apply(false).unwrap();
    stage.expect_empty_plan(false).unwrap();

    let token = run
        .place
        .token(&stage.terraform.output("token_place").unwrap())
        .unwrap();
    let steps = stage.with_a_good_key(&token, |_| ()).unwrap();
    for step in &steps {
        assert!(step.is_as_expected(), "{step:?}");
    }
    stage.apply(true).unwrap();
    stage.expect_empty_plan(true).unwrap();
    let revoked = stage.with_a_revoked_key(&token).unwrap();
    assert!(revoked.is_as_expected(), "{revoked:?}");

    stage.destroy().unwrap();
    run.assert_nothing_is_left();
}
