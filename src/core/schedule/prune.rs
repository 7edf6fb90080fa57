//! Which finished backup's object is removed next. The copy in the cloud stays, whatever is removed here.

use jiff::Timestamp;

use super::tries::may_be_tried_again;
use super::{Cause, Child, Plan, Record, Seen, State};
use crate::core::pace::later;

/// No object is removed before this many seconds after its creation: by then a creation that another operator began
/// before it lost the lease has long arrived, and finds the name taken instead of free.
const YOUNGEST: i64 = 660;

/// The object to remove now, and when one will be old enough.
pub(super) fn next(plan: &Plan, seen: &Seen, record: &Record) -> (Option<String>, Option<Timestamp>) {
    let finished = |good: bool| {
        let mut all: Vec<&Child> = seen.children.iter().filter(|child| !child.deleting).collect();
        all.retain(|child| match child.state {
            State::AtWork => false,
            State::Good(_) => good,
            State::Bad(..) => !good && !is_looked_at(plan, record, child),
        });
        all.sort_by_key(|child| std::cmp::Reverse((ended(child), child.name.clone())));
        all
    };
    let good = finished(true).into_iter().skip(plan.keep.good.max(1));
    let failed = finished(false).into_iter().skip(plan.keep.failed);
    let oldest = good.chain(failed).min_by_key(|child| (child.created, child.name.clone()));
    let Some(oldest) = oldest else { return (None, None) };
    let from = later(oldest.created, YOUNGEST);
    if seen.now >= from { (Some(oldest.name.clone()), None) } else { (None, Some(from)) }
}

fn ended(child: &Child) -> Timestamp {
    match child.state {
        State::Good(at) | State::Bad(at, _) => at,
        State::AtWork => child.created,
    }
}

/// Whether a further try still looks at this one.
fn is_looked_at(plan: &Plan, record: &Record, child: &Child) -> bool {
    let is_of_last_slot = matches!(child.cause, Cause::Slot(slot, _) if Some(slot) == record.last_run);
    is_of_last_slot && matches!(child.state, State::Bad(_, true)) && may_be_tried_again(plan, record)
}
