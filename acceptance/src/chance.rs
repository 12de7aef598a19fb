//! Numbers that look random and are the same in every run, so that what once failed fails again.

/// The number at a place of the sequence that starts with `seed`: the generator known as `SplitMix64`.
#[must_use]
pub fn drawn(seed: u64, place: u64) -> u64 {
    let step = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = seed.wrapping_add(step);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
