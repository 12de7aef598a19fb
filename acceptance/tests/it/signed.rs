//! Requests that a proxy signs for a service of AWS.

use tollgate_acceptance::{Browser, LocalStack, Proxy, free_port};

use crate::stores::directory;

/// LocalStack takes an access key of twelve digits for that account's, and checks no signature.
const ACCOUNT: &str = "222233334444";

fn configuration(target: &str, listen: &str) -> String {
    format!(
        r#"
resource "tollgate_upstream" "it" {{
  name       = "sts"
  targets    = ["{target}"]
  credential = {{ aws_sigv4 = {{ service = "sts", region = "us-east-1" }} }}
}}
resource "tollgate_proxy" "it" {{
  name   = "edge"
  listen = [{{ address = "{listen}" }}]
}}
resource "tollgate_route" "it" {{
  name      = "sts"
  proxy     = tollgate_proxy.it.name
  path      = "/"
  upstream  = tollgate_upstream.it.name
  anonymous = true
}}
"#
    )
}

#[test]
fn a_service_takes_a_signed_request_for_the_proxys_own() {
    let (run, service) = (directory("signed"), LocalStack::find().unwrap());
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let target = format!("http://{}", service.address());
    let variables = [
        ("AWS_ACCESS_KEY_ID", ACCOUNT),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let (binaries, place) = (&run.binaries, &run.place);
    let mut proxy = Proxy::start_with(binaries, place, &run.namespace, &variables).unwrap();
    run.declare(&configuration(&target, &listen));
    run.terraform.apply(&[]).unwrap();
    proxy.await_poll().unwrap();

    let question = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let who = |place: &str| {
        let url = format!("{place}{question}");
        Browser::new().fetch(&url, None).unwrap().body
    };
    let signed = who(&format!("http://{listen}"));
    let account = format!("<Account>{ACCOUNT}</Account>");
    assert!(signed.contains(&account), "{signed}");
    let unsigned = who(&target);
    assert!(!unsigned.contains(ACCOUNT), "{unsigned}");
}
