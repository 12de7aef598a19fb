//! Values by path pattern, found by path.

use std::borrow::Cow;

use hashbrown::HashMap;
use tollgate_store::{PathPattern, Segment};

use crate::text;

/// Values by path pattern. A search walks the path's segments, never the patterns.
#[derive(Debug)]
pub(super) struct PathTrie<V> {
    literals: HashMap<String, PathTrie<V>>,
    one: Option<Box<PathTrie<V>>>,
    /// Of the pattern that ends here.
    end: Option<V>,
    /// Of the pattern that ends here with `**`.
    rest: Option<V>,
}

// Derived, it would ask for `V: Default` where nothing needs it.
impl<V> Default for PathTrie<V> {
    fn default() -> Self {
        Self {
            literals: HashMap::new(),
            one: None,
            end: None,
            rest: None,
        }
    }
}

impl<V> PathTrie<V> {
    /// The value of `pattern`, made where there is none.
    pub(super) fn value(&mut self, pattern: &PathPattern) -> &mut V
    where
        V: Default,
    {
        self.value_of(pattern, |literal| Cow::Borrowed(literal))
    }

    /// The same of the pattern whose literals are what `spell` makes of them.
    pub(super) fn value_of(
        &mut self,
        pattern: &PathPattern,
        spell: impl Fn(&str) -> Cow<'_, str>,
    ) -> &mut V
    where
        V: Default,
    {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry_ref(&*spell(text)).or_default(),
                Segment::One => node.one.get_or_insert_default(),
                Segment::Rest => return node.rest.get_or_insert_default(),
            };
        }
        node.end.get_or_insert_default()
    }

    /// The first that `accept` makes of the values whose patterns stand for `path`, the most specific pattern first.
    ///
    /// Segment by segment, a literal comes before `*` and `*` before `**`; a pattern that ends with the path comes
    /// before one whose `**` stands for nothing.
    pub(super) fn find<'t, R>(
        &'t self,
        path: &str,
        mut accept: impl FnMut(&'t V) -> Option<R>,
    ) -> Option<R> {
        self.descend(path.strip_prefix('/'), &mut accept)
    }

    /// `ahead` is what is left of the path; `None` past its last segment. It recurses no deeper than the longest
    /// pattern has segments.
    fn descend<'t, R>(
        &'t self,
        ahead: Option<&str>,
        accept: &mut impl FnMut(&'t V) -> Option<R>,
    ) -> Option<R> {
        let found = match ahead {
            None => self.end.as_ref().and_then(&mut *accept),
            Some(path) => self.descend_into(path, accept),
        };
        found.or_else(|| self.rest.as_ref().and_then(accept))
    }

    fn descend_into<'t, R>(
        &'t self,
        path: &str,
        accept: &mut impl FnMut(&'t V) -> Option<R>,
    ) -> Option<R> {
        let (segment, ahead) = match text::split_once(path, b'/') {
            Some((segment, ahead)) => (segment, Some(ahead)),
            None => (path, None),
        };
        let literal = self.literals.get(segment);
        let one = self.one.as_deref().filter(|_| !segment.is_empty());
        literal
            .and_then(|node| node.descend(ahead, accept))
            .or_else(|| one.and_then(|node| node.descend(ahead, accept)))
    }
}

#[cfg(test)]
mod tests;
