//! Orders in doubt: adopt, prove absence, give up after a day without sight of the instance, or stay in doubt (I4).
//!
//! No deadline of the user's cuts a doubt off, and none of its steps sends anything.

use jiff::Timestamp;

use super::{
    BLIND_SECONDS, Limits, MISSING_SECONDS, Step, adoption, is_missing, last_sign, next_search, not_found, wait,
};
use crate::core::absence::{self, Objection};
use crate::core::order::{Invalid, Order};
use crate::core::pace;
use crate::core::reason::Reason;
use crate::core::record::Note;
use crate::core::seen::{InstanceStatus, Listing, Meaning, Seen, Trouble};

/// After the listings of I4 and the look at the instance.
pub(super) fn after_look(
    order: &Order,
    seen: &Seen,
    limits: &Limits,
    listing: &Result<Listing, Trouble>,
    instance: &Result<Option<InstanceStatus>, Trouble>,
) -> Step {
    if let Some(adopt) = listing.as_ref().ok().and_then(|listing| adoption(seen, limits, listing)) {
        return adopt;
    }
    let fence = fence(seen, limits);
    let Some(objection) = absence::objection(&seen.subject.uid, fence, seen.now, listing, instance) else {
        return if seen.record.ended {
            Step::Rest { until: None }
        } else if seen.now >= order.deadline {
            wait::deadline(order, seen)
        } else {
            Step::Absent
        };
    };
    if seen.record.ended {
        // Damage, or a clock that went back: what is found is told, and nothing that is over begins again (I5, I6).
        return Step::Rest { until: Some(next_look(seen, limits)) };
    }
    let is_gone = |trouble: &Trouble| trouble.meaning == Meaning::InstanceNotFound;
    let invisible =
        matches!(instance, Ok(None)) || listing.as_ref().is_err_and(is_gone) || instance.as_ref().is_err_and(is_gone);
    // A call that claims to lie more than a day ahead is no call of any clock: its fence would never fall.
    let absurd = fence > pace::later(seen.now, MISSING_SECONDS);
    if absurd || (invisible && is_missing(seen)) {
        return Step::End {
            reason: Reason::Missing,
            message: "A request may have been accepted, and for 24 hours nothing showed whether it was. Look for the \
                      backup in the cloud's console before you create a new object."
                .to_owned(),
            row: None,
            note: None,
        };
    }
    // Dated only past the fence: before it, an error would read as the answer to the call (I6).
    let note = (invisible && seen.now >= fence).then(|| not_found(seen, "the instance is invisible"));
    stay(seen, limits, &objection, note)
}

/// The doubt is known, but the cloud was not asked in this pass.
pub(super) fn unlooked(seen: &Seen, limits: &Limits) -> Step {
    if seen.record.ended {
        return Step::Rest { until: Some(next_look(seen, limits)) };
    }
    stay(seen, limits, &Objection::Early { until: fence(seen, limits) }, seen.record.error.clone())
}

/// Nobody can read where to look: only the author can mend that.
pub(super) fn blind(seen: &Seen, invalid: &Invalid) -> Step {
    Step::StayInDoubt {
        message: format!("An answer was lost, and the backup cannot be looked for: {invalid}."),
        note: seen.record.error.clone(),
        until: pace::later(seen.now, BLIND_SECONDS),
    }
}

fn stay(seen: &Seen, limits: &Limits, objection: &Objection, note: Option<Note>) -> Step {
    Step::StayInDoubt {
        message: format!(
            "An answer was lost, so a backup may have begun; nothing is sent again before that is known. Now: {}.",
            objection.describe()
        ),
        note,
        until: next_look(seen, limits),
    }
}

/// Soon at first, later less often, and exactly at the fence.
fn next_look(seen: &Seen, limits: &Limits) -> Timestamp {
    let (fence, next) = (fence(seen, limits), next_search(seen, limits));
    if seen.now < fence { next.min(fence) } else { next }
}

fn fence(seen: &Seen, limits: &Limits) -> Timestamp {
    absence::fence(last_sign(seen), limits.fence())
}
