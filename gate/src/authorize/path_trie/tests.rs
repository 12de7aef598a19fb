use proptest::prelude::*;

use super::*;

fn trie(patterns: &[PathPattern]) -> PathTrie<Vec<usize>> {
    let mut trie: PathTrie<Vec<usize>> = PathTrie::default();
    for (index, pattern) in patterns.iter().enumerate() {
        trie.value(pattern).push(index);
    }
    trie
}

/// Every pattern that stands for `path`, in the order in which the trie offers them.
fn offered(patterns: &[PathPattern], path: &str) -> Vec<usize> {
    let mut offered = Vec::new();
    let none: Option<()> = trie(patterns).find(path, |indexes| {
        offered.extend(indexes);
        None
    });
    assert_eq!(none, None);
    offered
}

fn parse(texts: &[&str]) -> Vec<PathPattern> {
    texts
        .iter()
        .map(|text| PathPattern::parse(text).unwrap())
        .collect()
}

#[test]
fn a_rest_stands_for_nothing_a_slash_and_everything_beneath() {
    let patterns = parse(&["/a/**"]);

    for path in ["/a", "/a/", "/a/b", "/a/b/c/"] {
        assert_eq!(offered(&patterns, path), [0], "{path}");
    }
    for path in ["/", "/ab", "/b/a"] {
        assert!(offered(&patterns, path).is_empty(), "{path}");
    }
}

#[test]
fn a_star_stands_for_one_segment_that_is_not_empty() {
    let patterns = parse(&["/a/*"]);

    assert_eq!(offered(&patterns, "/a/b"), [0]);
    for path in ["/a", "/a/", "/a/b/", "/a/b/c"] {
        assert!(offered(&patterns, path).is_empty(), "{path}");
    }
}

#[test]
fn the_most_specific_pattern_comes_first() {
    let patterns = parse(&["/**", "/*/b", "/a/**", "/a/*", "/a/b", "/a/b/**"]);

    assert_eq!(offered(&patterns, "/a/b"), [4, 5, 3, 2, 1, 0]);
}

/// Segment by segment; a pattern's end counts as a literal, since it stands for one thing only.
fn rank(pattern: &PathPattern) -> Vec<u8> {
    let rank = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::One => 1,
        Segment::Rest => 2,
    };
    pattern.segments().iter().map(rank).chain([0]).collect()
}

fn stands_for(pattern: &[Segment], path: &[&str]) -> bool {
    match (pattern, path) {
        ([Segment::Rest], _) | ([], []) => true,
        ([Segment::Literal(text), pattern @ ..], [segment, path @ ..]) => {
            text == segment && stands_for(pattern, path)
        }
        ([Segment::One, pattern @ ..], [segment, path @ ..]) => {
            !segment.is_empty() && stands_for(pattern, path)
        }
        _ => false,
    }
}

fn pattern() -> impl Strategy<Value = PathPattern> {
    let segments = prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 0..4);
    let last = prop::sample::select(vec!["a", "b", "*", "**", ""]);
    (segments, last).prop_map(|(mut segments, last)| {
        segments.push(last);
        PathPattern::parse(&format!("/{}", segments.join("/"))).unwrap()
    })
}

proptest! {
    #[test]
    fn it_finds_what_a_look_at_every_pattern_finds_in_the_order_of_their_ranks(
        patterns in prop::collection::vec(pattern(), 0..12),
        path in "/([abc]/){0,4}[abc]?",
    ) {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let mut expected: Vec<usize> = (0..patterns.len())
            .filter(|index| stands_for(patterns[*index].segments(), &segments))
            .collect();
        expected.sort_by_key(|index| rank(&patterns[*index]));

        prop_assert_eq!(offered(&patterns, &path), expected);
    }
}
