//! Every way to a token, from terraform to the request that it opens.

use std::collections::BTreeMap;

use tollgate_acceptance::{Browser, Proxy, SampleUpstream, free_port};
use tollgate_store::Secret;

use crate::edge::edge;
use crate::stores::{Run, on_both_stores};

on_both_stores! {
    a_rotated_token_and_the_one_before_it_both_open_until_the_overlap_ends => super::a_rotation_is_seamless;
    a_token_of_another_gateway_opens_here_whichever_way_it_came => super::existing_tokens_come_along;
    every_key_of_a_set_opens_with_its_own_token => super::a_set_of_keys_opens;
    a_principal_that_is_switched_off_takes_its_keys_along => super::a_principal_is_switched_off;
}

/// What all tests declare beside their keys.
struct World {
    proxy: Proxy,
    url: String,
    common: String,
    _upstream: SampleUpstream,
}

impl World {
    fn new(run: &Run) -> Self {
        let upstream = SampleUpstream::start().unwrap();
        let listen = format!("127.0.0.1:{}", free_port().unwrap());
        let edge = edge(&upstream, &listen);
        let common = format!(
            r#"
resource "tollgate_role" "it" {{
  name   = "partner"
  scopes = [tollgate_scope.it.name]
}}
{edge}"#
        );
        Self {
            proxy: Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap(),
            url: format!("http://{listen}"),
            common,
            _upstream: upstream,
        }
    }

    /// Applies the keys, waits until the proxy serves them, and plans nothing more.
    fn apply(&mut self, run: &Run, keys: &str) {
        run.declare(&format!("{}{keys}", self.common));
        run.terraform.apply(&[]).unwrap();
        self.proxy.await_poll().unwrap();
        run.terraform.expect_empty_plan(&[]).unwrap();
    }

    fn status(&self, token: &Secret, path: &str) -> u16 {
        let url = format!("{}{path}", self.url);
        Browser::new().fetch(&url, Some(token)).unwrap().status
    }

    fn end(self, run: &Run) {
        run.terraform.destroy(&[]).unwrap();
        drop(self);
        run.assert_nothing_is_left();
    }
}

const ORDERS: &str = "/v1/orders/1";

fn token(run: &Run, output: &str) -> Secret {
    let place = run.terraform.output(output).unwrap();
    run.place.token(&place).unwrap()
}

fn a_rotation_is_seamless(run: &Run) {
    let mut world = World::new(run);
    let key = |rotation: &str| {
        format!(
            "resource \"tollgate_key\" \"it\" {{\n  name = \"acme\"\n  roles = [tollgate_role.it.name]\n  rotation = {{ \
             {rotation} }}\n}}\noutput \"place\" {{\n  value = tollgate_key.it.secret_id\n}}\n"
        )
    };
    world.apply(run, &key("overlap = \"1h\""));
    let old = token(run, "place");
    assert_eq!(world.status(&old, ORDERS), 200);

    world.apply(run, &key("overlap = \"1h\", trigger = \"leaked\""));
    let new = token(run, "place");
    assert!(new.expose() != old.expose(), "the token was not replaced");
    assert_eq!(world.status(&old, ORDERS), 200);
    assert_eq!(world.status(&new, ORDERS), 200);

    world.apply(run, &key("trigger = \"leaked again\""));
    let newest = token(run, "place");
    assert_eq!(world.status(&old, ORDERS), 401);
    assert_eq!(world.status(&new, ORDERS), 401);
    assert_eq!(world.status(&newest, ORDERS), 200);
    assert_eq!(world.status(&newest, "/v1/invoices"), 403);
    world.end(run);
}

fn existing_tokens_come_along(run: &Run) {
    let mut world = World::new(run);
    let token = |text: &str| Secret::new(text.to_owned());
    let keys = r#"
variable "theirs" {
  type      = string
  ephemeral = true
  default   = "sk_test_of-another-gateway-1"
}
resource "tollgate_key" "written" {
  name             = "written"
  scopes           = [tollgate_scope.it.name]
  token_wo         = var.theirs
  token_wo_version = 1
}
resource "tollgate_key" "hashed" {
  name         = "hashed"
  scopes       = [tollgate_scope.it.name]
  token_sha256 = sha256("sk_test_of-another-gateway-2")
}
resource "tollgate_key_set" "many" {
  name   = "many"
  scopes = [tollgate_scope.it.name]
  keys   = { for n in [3, 4] : "client-${n}" => { token_sha256 = sha256("sk_test_of-another-gateway-${n}") } }
}
"#;

    world.apply(run, keys);

    for number in 1..=4 {
        let theirs = token(&format!("sk_test_of-another-gateway-{number}"));
        assert_eq!(world.status(&theirs, ORDERS), 200, "{number}");
        assert_eq!(world.status(&theirs, "/v1/invoices"), 403, "{number}");
    }
    let nobodys = token("sk_test_of-another-gateway-5");
    assert_eq!(world.status(&nobodys, ORDERS), 401);
    world.end(run);
}

fn a_set_of_keys_opens(run: &Run) {
    let mut world = World::new(run);
    let set = |keys: &str| {
        format!(
            "resource \"tollgate_key_set\" \"it\" {{\n  name = \"devices\"\n  scopes = [tollgate_scope.it.name]\n  keys = \
             {{ {keys} }}\n}}\noutput \"page\" {{\n  value = tollgate_key_set.it.pages[0].secret_id\n}}\n"
        )
    };
    let tokens = || -> BTreeMap<String, String> {
        serde_json::from_str(token(run, "page").expose()).unwrap()
    };
    let secret = |tokens: &BTreeMap<String, String>, name: &str| Secret::new(tokens[name].clone());
    world.apply(run, &set("a = {}, b = {}, c = { enabled = false }"));
    let before = tokens();
    assert_eq!(world.status(&secret(&before, "a"), ORDERS), 200);
    assert_eq!(world.status(&secret(&before, "b"), ORDERS), 200);
    assert_eq!(world.status(&secret(&before, "c"), ORDERS), 401);

    world.apply(run, &set("a = { token_version = 2 }, c = {}"));
    let after = tokens();

    assert_eq!(world.status(&secret(&before, "a"), ORDERS), 401);
    assert_eq!(world.status(&secret(&after, "a"), ORDERS), 200);
    assert_eq!(world.status(&secret(&before, "b"), ORDERS), 401);
    assert_eq!(world.status(&secret(&before, "c"), ORDERS), 200);
    world.end(run);
}

fn a_principal_is_switched_off(run: &Run) {
    let mut world = World::new(run);
    let keys = |enabled: bool| {
        format!(
            "resource \"tollgate_principal\" \"it\" {{\n  name = \"acme\"\n  roles = [tollgate_role.it.name]\n  enabled = \
             {enabled}\n}}\nresource \"tollgate_key\" \"it\" {{\n  name = \"acme-ci\"\n  principal = \
             tollgate_principal.it.name\n}}\noutput \"place\" {{\n  value = tollgate_key.it.secret_id\n}}\n"
        )
    };
    world.apply(run, &keys(true));
    let acme = token(run, "place");
    assert_eq!(world.status(&acme, ORDERS), 200);

    world.apply(run, &keys(false));

    assert_eq!(world.status(&acme, ORDERS), 401);
    world.end(run);
}
