//! No secret of this process reaches a disk by way of a crash.
//!
//! A core dump holds every access key in memory. [`forbid`] runs first in `main`, before the environment is read: it
//! sets the size limit of core files to nothing for good (a collector that the kernel pipes dumps into ignores a limit
//! that is only soft) and marks the process as not dumpable, which also closes its memory and its environment in `/proc`
//! to other processes of the same user.
//!
//! A setting to switch this off does not exist: a debugger can still be attached by root.

/// Switches core dumps off for the rest of this process's life.
///
/// # Errors
/// The kernel refused one of the two calls. The caller ends the program: it was not promised to run with dumps on.
pub fn forbid() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}
