//! Work on many things at once, with the answers in the things' order, so that nobody can tell how many hands there were.

use std::sync::LazyLock;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// As much as a process's first thread has: work that goes deep goes as deep here.
const STACK: usize = 8 << 20;

/// Who does the work: as many as there are processors. They stay, and so does the memory that they have at hand. None: there are no
/// threads to be had.
static HANDS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| ThreadPoolBuilder::new().stack_size(STACK).build().ok());

/// Does `work` for each number below `count`; fewer than `least` cost more to hand out than to do. Who is done takes of what others
/// have left: a processor may be busy with something else.
pub fn side_by_side<R: Send>(count: usize, least: usize, work: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    let hands = if count < 2 * least { None } else { HANDS.as_ref() };
    match hands.filter(|hands| hands.current_num_threads() > 1) {
        Some(hands) => hands.install(|| (0..count).into_par_iter().with_min_len(least).map(work).collect()),
        None => (0..count).map(work).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order() {
        for count in [0, 1, 7, 16, 100, 1001] {
            assert_eq!(side_by_side(count, 8, |number| number * 2), (0..count).map(|number| number * 2).collect::<Vec<_>>());
        }
    }
}
