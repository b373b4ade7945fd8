//! What happens between fork and exec: the one place here without a safe form.

use std::io;

use nix::libc;
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, rlim_t, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, getpid, getppid, setsid};
use tokio::process::Command;

use super::config::ExecLimits;

/// Soft and hard limit of a resource.
type Limit = (Resource, rlim_t, rlim_t);

/// The resource limits of a program. It never dumps core: what it holds in
/// memory is nobody else's business.
pub(super) fn resource_limits(limits: &ExecLimits) -> Vec<Limit> {
    let both = |resource, limit: u64| (resource, limit, limit);
    let optional = [
        // One second between the signal that can be caught and the one that cannot.
        limits.cpu.map(|time| {
            let secs = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            (Resource::RLIMIT_CPU, secs, secs.saturating_add(1))
        }),
        limits.memory_bytes.map(|bytes| both(Resource::RLIMIT_AS, bytes.get())),
        limits.open_files.map(|files| both(Resource::RLIMIT_NOFILE, files.get())),
        limits.processes.map(|processes| both(Resource::RLIMIT_NPROC, processes.get())),
        limits.file_bytes.map(|bytes| both(Resource::RLIMIT_FSIZE, bytes.get())),
    ];
    [both(Resource::RLIMIT_CORE, 0)].into_iter().chain(optional.into_iter().flatten()).collect()
}

/// Gives the child of `command` a session and process group of its own, and
/// takes from it every open file but the standard three, all hope of more
/// privileges, and whatever `limits` leaves out. It dies with the thread that
/// starts it (see [`super::launcher`]).
///
/// User, group and directory are changed before this; changing them later
/// would undo the signal at the parent's death.
#[expect(unsafe_code, reason = "Command::pre_exec and close_range(2) have no safe form")]
pub(super) fn confine(command: &mut Command, limits: Vec<Limit>) {
    let parent = getpid();
    let confine = move || {
        setsid()?;
        set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != parent {
            // It died before the line above.
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        set_no_new_privs()?;
        umask(Mode::from_bits_truncate(0o077));
        for &(resource, soft, hard) in &limits {
            setrlimit(resource, soft, hard)?;
        }
        close_at_exec()
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. The closure makes
    // plain system calls on values prepared before: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(confine) };
}

/// Marks every file but the standard three to be closed. Not at once: the
/// standard library still needs its pipe to tell us of a failing exec.
#[expect(unsafe_code, reason = "close_range(2) has no safe form")]
fn close_at_exec() -> io::Result<()> {
    let (first, last): (libc::c_uint, libc::c_uint) = (3, libc::c_uint::MAX);
    // SAFETY: with CLOSE_RANGE_CLOEXEC the call changes flags of this process's own descriptors,
    // and no memory.
    let answer =
        unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The process group of a child that has called [`setsid`].
pub(super) fn group_of(child: u32) -> Pid {
    Pid::from_raw(i32::try_from(child).expect("a process id is a positive pid_t"))
}
