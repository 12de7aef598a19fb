//! Quotas from Terraform to a client, through the built proxy.

use tollgate_acceptance::tour::Stage;
use tollgate_acceptance::{Answer, Browser};
use tollgate_store::Secret;

use crate::stores::directory;

const LIMITS: &str = "limits = [{ requests = 10, per = \"1m\" }]";
const LISTEN: &str = "listen = [{ address = var.listen }]";

/// Applies the quickstart, with `quota` in place of its quota's limits, to a proxy of a fleet of two.
fn apply(stage: &mut Stage, quickstart: &str, quota: &str) {
    assert!(quickstart.contains(LIMITS) && quickstart.contains(LISTEN));
    let proxy = format!("{LISTEN}\n  fleet = {{ size = 2 }}\n  rate_limit_headers = \"legacy\"");
    let declared = quickstart.replace(LISTEN, &proxy).replace(LIMITS, quota);
    stage.terraform.write("main.tf", &declared).unwrap();
    stage.apply(false).unwrap();
    stage.expect_empty_plan(false).unwrap();
}

fn get(stage: &Stage, token: &Secret) -> Answer {
    let url = format!("{}/v1/orders", stage.url);
    Browser::new().fetch(&url, Some(token)).unwrap()
}

#[test]
fn limits_are_declared_in_terraform_and_met_by_a_client() {
    let run = directory("quotas");
    let mut stage = Stage::set(&run.binaries, &run.place, &run.namespace).unwrap();
    let file = stage.terraform.folder().join("main.tf");
    let quickstart = std::fs::read_to_string(file).unwrap();

    // Of a fleet of two, each admits half of a burst of four.
    let smooth = r#"limits = [
    { requests = 4, per = "1h", window = "smooth", burst = 4 },
    { requests = 1000, per = "month" },
    { concurrent = 100 },
  ]"#;
    apply(&mut stage, &quickstart, smooth);
    let place = stage.terraform.output("token_place").unwrap();
    let token = run.place.token(&place).unwrap();
    let answers = [(); 3].map(|()| get(&stage, &token));
    assert_eq!(
        answers.each_ref().map(|answer| answer.status),
        [200, 200, 429]
    );
    assert_eq!(answers[0].header("x-ratelimit-remaining"), Some("1"));
    let limit = answers[2].header("ratelimit").unwrap();
    assert!(limit.starts_with("\"free:1h-smooth\";r=0;t="), "{limit}");

    let daily = r#"limits    = [{ requests = 1, per = "day" }]
  across    = "process"
  time_zone = "Europe/Berlin""#;
    apply(&mut stage, &quickstart, daily);
    assert_eq!([(); 2].map(|()| get(&stage, &token).status), [200, 429]);

    apply(
        &mut stage,
        &quickstart,
        &format!("{daily}\n  shadow = true"),
    );
    assert_eq!(get(&stage, &token).status, 200);
    let metrics = stage.proxy.admin("/metrics").unwrap().body;
    let series = "tollgate_quota_refusals_total{quota=\"free\",mode=\"shadow\"} 1";
    assert!(metrics.contains(series), "{metrics}");
    stage.destroy().unwrap();
    run.assert_nothing_is_left();
}
