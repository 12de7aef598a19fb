//! Small changes of a namespace, to be disturbed again and again in the same folder.

use std::fmt::Write as _;

use crate::intact::assert_intact;
use crate::stores::Run;

/// A change that can be made many times over; both configurations depend on the round, counted from 1.
pub(crate) struct Operation {
    /// What stands before it.
    before: fn(u32) -> String,
    /// Whether that has to be brought about before every round, or a round follows on the one before it.
    resets: bool,
    /// What is applied.
    after: fn(u32) -> String,
    /// The documents that stand after it.
    leaves: &'static [&'static str],
}

const WITH_KEY: &[&str] = &["scope/orders:read", "key/acme-ci"];
const WITH_SET: &[&str] = &["scope/orders:read", "key_set/partners"];
/// More keys than one part takes.
const MANY: u32 = 150;

pub(crate) const ADD_KEY: Operation = Operation {
    before: |_| scope(),
    resets: true,
    after: |_| scope() + &key("", 0),
    leaves: WITH_KEY,
};

pub(crate) const ROTATE_KEY: Operation = Operation {
    before: |_| scope() + &key("", 0),
    resets: false,
    after: |round| scope() + &key("", round),
    leaves: WITH_KEY,
};

pub(crate) const CHANGE_KEY: Operation = Operation {
    before: |_| scope() + &key("before", 0),
    resets: false,
    after: |round| scope() + &key(&format!("change {round}"), 0),
    leaves: WITH_KEY,
};

/// The last key and the last document.
pub(crate) const REMOVE_KEY: Operation = Operation {
    before: |_| scope() + &key("", 0),
    resets: true,
    after: |_| String::new(),
    leaves: &[],
};

pub(crate) const ADD_SET: Operation = Operation {
    before: |_| scope(),
    resets: true,
    after: |_| scope() + &set(3, 1),
    leaves: WITH_SET,
};

/// A key comes or goes, another gets a new token.
pub(crate) const CHANGE_SET: Operation = Operation {
    before: |_| scope() + &set(3, 1),
    resets: false,
    after: |round| scope() + &set(3 + round % 2, round + 1),
    leaves: WITH_SET,
};

/// All keys move to other parts.
pub(crate) const GROW_SET: Operation = Operation {
    before: |_| scope() + &set(3, 1),
    resets: true,
    after: |_| scope() + &set(MANY, 2),
    leaves: WITH_SET,
};

pub(crate) const REMOVE_SET: Operation = Operation {
    before: |_| scope() + &set(3, 1),
    resets: true,
    after: |_| String::new(),
    leaves: &[],
};

impl Operation {
    /// Brings about what stands before it, and declares what comes of it.
    pub(crate) fn prepare(&self, run: &Run, round: u32) {
        if self.resets || round == 1 {
            run.declare(&(self.before)(round));
            run.terraform.apply(&[]).unwrap();
        }
        run.declare(&(self.after)(round));
    }

    /// Fails unless all is as it should be after it, and terraform knows.
    pub(crate) fn check(&self, run: &Run) {
        run.terraform.expect_empty_plan(&[]).unwrap();
        if self.leaves.is_empty() {
            run.assert_nothing_is_left();
        } else {
            assert_intact(run, self.leaves);
        }
    }
}

/// Whether the long forms of the tests are asked for: `make soak`.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("TOLLGATE_TEST_SOAK").is_some()
}

fn scope() -> String {
    r#"
resource "tollgate_scope" "it" {
  name   = "orders:read"
  grants = [{ path = "/v1/orders/**" }]
}
"#
    .to_owned()
}

fn key(note: &str, trigger: u32) -> String {
    format!(
        r#"
resource "tollgate_key" "it" {{
  name     = "acme-ci"
  scopes   = [tollgate_scope.it.name]
  metadata = {{ note = "{note}" }}
  rotation = {{ trigger = "{trigger}" }}
}}
"#
    )
}

fn set(count: u32, token_version: u32) -> String {
    let mut keys = String::new();
    for number in 2..=count {
        let note = "a partner with much to say about itself, so that keys take room";
        writeln!(
            keys,
            "    k{number} = {{ metadata = {{ note = \"{note}\" }} }}"
        )
        .unwrap();
    }
    format!(
        r#"
resource "tollgate_key_set" "it" {{
  name   = "partners"
  scopes = [tollgate_scope.it.name]
  keys = {{
    k1 = {{ token_version = {token_version} }}
{keys}  }}
}}
"#
    )
}
