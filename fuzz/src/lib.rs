//! What every parser of ours must hold to, whatever it is given: it ends, it does not panic, and what it accepts reads
//! the same once it was written again. `make fuzz` searches for what breaks that; the tests here try a little of it.

mod answers;
mod conditions;
mod documents;
mod heads;
mod proxy_protocol;
mod requests;
mod values;
mod words;

pub use answers::answers;
pub use conditions::conditions;
pub use documents::documents;
pub use heads::heads;
pub use proxy_protocol::proxy_protocol;
pub use requests::requests;
pub use values::values;
pub use words::words;

/// A target: it panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 8] = [
    ("answers", answers),
    ("conditions", conditions),
    ("documents", documents),
    ("heads", heads),
    ("proxy_protocol", proxy_protocol),
    ("requests", requests),
    ("values", values),
    ("words", words),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_seed_holds() {
        for (name, target) in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("seeds")
                .join(name);
            let seeds = std::fs::read_dir(&folder).unwrap();
            let seeds: Vec<_> = seeds.map(|seed| seed.unwrap().path()).collect();
            assert!(!seeds.is_empty(), "{name} has seeds");
            for seed in seeds {
                let bytes = std::fs::read(&seed).unwrap();
                target(&bytes);
                // Each a little damaged, too.
                for place in 0..bytes.len().min(512) {
                    let mut damaged = bytes.clone();
                    damaged[place] = damaged[place].wrapping_add(1);
                    target(&damaged);
                    target(&bytes[..place]);
                }
            }
        }
    }

    #[test]
    fn what_has_seeds_is_a_target() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        let folders = std::fs::read_dir(seeds).unwrap();
        let mut found: Vec<_> = folders
            .map(|folder| folder.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();

        assert_eq!(found, TARGETS.map(|(name, _)| name));
    }

    proptest! {
        #[test]
        fn any_bytes_hold(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for (_, target) in TARGETS {
                target(&bytes);
            }
        }

        #[test]
        fn any_text_holds(text in "\\PC{0,100}") {
            for (_, target) in TARGETS {
                target(text.as_bytes());
            }
        }
    }
}
