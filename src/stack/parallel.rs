//! Work on many things at once, with the answers in the things' order, so that nobody can tell how many hands there were.

use std::panic::resume_unwind;
use std::thread;

/// As much as a process's first thread has: work that goes deep goes as deep here.
const STACK: usize = 8 << 20;

/// Does `work` for each number below `count`; fewer than `least` for a thread cost more to hand out than to do.
pub fn side_by_side<R: Send>(count: usize, least: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count / least);
    if threads < 2 {
        return (0..count).map(work).collect();
    }
    let share = count.div_ceil(threads);
    thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = (0..count)
            .step_by(share)
            .map(|first| {
                let part = move || (first..count.min(first + share)).map(work).collect::<Vec<R>>();
                // Where there is no thread to be had, it is done here.
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, part).map_err(|_| part())
            })
            .collect();
        let done = |part: thread::ScopedJoinHandle<'_, Vec<R>>| part.join().unwrap_or_else(|panic| resume_unwind(panic));
        parts.into_iter().flat_map(|part| part.map_or_else(|here| here, done)).collect()
    })
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
