//! An ordered set that can say how many of its members lie before a key, in O(log n).
//!
//! The standard library's ordered set has to count them one by one, which makes a thousand waiting orders cost a million
//! steps. This is a treap: a search tree whose shape follows from a pseudo-random number at each node. The numbers come
//! from a counter, so that the same calls always build the same tree.

use std::cmp::Ordering;

type Link<K> = Option<Box<Node<K>>>;

#[derive(Debug)]
struct Node<K> {
    key: K,
    priority: u64,
    size: usize,
    left: Link<K>,
    right: Link<K>,
}

/// The set.
#[derive(Debug)]
pub(super) struct Ranked<K> {
    root: Link<K>,
    counter: u64,
}

impl<K> Default for Ranked<K> {
    fn default() -> Self {
        Self { root: None, counter: 0 }
    }
}

impl<K: Ord> Ranked<K> {
    pub(super) fn len(&self) -> usize {
        size(self.root.as_deref())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// How many members are smaller than `key`, which need not be one.
    pub(super) fn before(&self, key: &K) -> usize {
        let (mut count, mut here) = (0, &self.root);
        while let Some(node) = here {
            if node.key < *key {
                count += size(node.left.as_deref()) + 1;
                here = &node.right;
            } else {
                here = &node.left;
            }
        }
        count
    }

    /// Adds a key. Whether it was new.
    pub(super) fn insert(&mut self, key: K) -> bool {
        let (smaller, rest) = split(self.root.take(), &|other| *other < key);
        let (same, larger) = split(rest, &|other| *other <= key);
        let is_new = same.is_none();
        self.counter = self.counter.wrapping_add(1);
        let node = Box::new(Node { priority: mix(self.counter), key, size: 1, left: None, right: None });
        self.root = merge(merge(smaller, same.or(Some(node))), larger);
        is_new
    }

    /// Takes a key out. Whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        let (smaller, rest) = split(self.root.take(), &|other| other < key);
        let (same, larger) = split(rest, &|other| other <= key);
        self.root = merge(smaller, larger);
        same.is_some()
    }
}

fn size<K>(link: Option<&Node<K>>) -> usize {
    link.map_or(0, |node| node.size)
}

impl<K> Node<K> {
    fn recount(&mut self) {
        self.size = size(self.left.as_deref()) + 1 + size(self.right.as_deref());
    }
}

/// The members for which `is_left` holds, and the others. It must hold for a beginning of the order.
fn split<K>(link: Link<K>, is_left: &impl Fn(&K) -> bool) -> (Link<K>, Link<K>) {
    let Some(mut node) = link else { return (None, None) };
    if is_left(&node.key) {
        let (left, right) = split(node.right.take(), is_left);
        node.right = left;
        node.recount();
        (Some(node), right)
    } else {
        let (left, right) = split(node.left.take(), is_left);
        node.left = right;
        node.recount();
        (left, Some(node))
    }
}

/// One tree of two, all of whose left keys are smaller.
fn merge<K>(left: Link<K>, right: Link<K>) -> Link<K> {
    match (left, right) {
        (None, link) | (link, None) => link,
        (Some(mut left), Some(mut right)) => match left.priority.cmp(&right.priority) {
            Ordering::Less => {
                right.left = merge(Some(left), right.left.take());
                right.recount();
                Some(right)
            }
            Ordering::Equal | Ordering::Greater => {
                left.right = merge(left.right.take(), Some(right));
                left.recount();
                Some(left)
            }
        },
    }
}

/// The finaliser of `SplitMix64`: neighbouring counters become unrelated numbers.
const fn mix(counter: u64) -> u64 {
    let z = counter.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn depth<K>(link: Option<&Node<K>>) -> usize {
        link.map_or(0, |node| 1 + depth(node.left.as_deref()).max(depth(node.right.as_deref())))
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_set(steps in prop::collection::vec((any::<bool>(), 0_u8..40), 0..200)) {
            let (mut ranked, mut plain) = (Ranked::default(), BTreeSet::new());
            for (is_insert, key) in steps {
                if is_insert {
                    prop_assert_eq!(ranked.insert(key), plain.insert(key));
                } else {
                    prop_assert_eq!(ranked.remove(&key), plain.remove(&key));
                }
                prop_assert_eq!(ranked.len(), plain.len());
                prop_assert_eq!(ranked.is_empty(), plain.is_empty());
                for probe in [0, key, 40] {
                    prop_assert_eq!(ranked.before(&probe), plain.range(..probe).count());
                }
            }
        }
    }

    #[test]
    fn keys_in_order_do_not_make_a_list_of_it() {
        let mut ranked = Ranked::default();
        for key in 0..10_000 {
            ranked.insert(key);
        }
        assert!(depth(ranked.root.as_deref()) < 60);
        assert_eq!(ranked.before(&7_777), 7_777);
    }
}
