//! How the cache stands to what this process has written itself: the watch mostly brings a write a moment after its answer.
//!
//! Nothing can go wrong with a pass on a cache that is behind, for a submission reads live and writes are guarded; but it costs
//! tokens, calls and conflicts (ADR 13).

use std::time::Duration;

use kube::Resource;

use super::context::Context;
use super::error::Error;
use super::memory;
use crate::api::conversion;

/// How long the watch may take to bring our own writes, before the object is read live.
pub const CATCH_UP: Duration = Duration::from_secs(2);

/// For how long the cache has been showing less than this process has written itself.
pub fn behind(cached: &impl Resource, ctx: &Context) -> Result<Option<Duration>, Error> {
    let subject = conversion::subject(cached).map_err(Error::Anonymous)?;
    let shown = memory::version(cached.meta().resource_version.as_deref());
    let written = ctx.memory.recall(&subject.uid).written.zip(shown);
    Ok(written.filter(|((written, _), shown)| shown < written).map(|((_, when), _)| when.elapsed()))
}

/// Whether the watch brings nothing that a pass would not know. It may bring a write before its answer: asked then, this says
/// no.
pub fn is_known(brought: &impl Resource, ctx: &Context) -> bool {
    let Ok(subject) = conversion::subject(brought) else { return false };
    ctx.memory.recall(&subject.uid).knows(memory::version(brought.meta().resource_version.as_deref()))
}
