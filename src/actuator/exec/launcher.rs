//! The thread that starts processes.
//!
//! A child is killed when the thread that started it ends (`PR_SET_PDEATHSIG`
//! goes by threads, not by processes). The runtime may give up any of its own
//! threads while it goes on, after a `block_in_place` for example. This one
//! lives as long as the bridge.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Starts that wait for the thread; those who come later wait themselves.
const WAITING_STARTS: usize = 16;

type Start = Box<dyn FnOnce() + Send>;

/// Has `start` called by the thread, within the current runtime.
///
/// What it makes is dropped where nobody waits for it any more: it must be
/// something that cleans up after itself.
pub(super) async fn launch<T: Send + 'static>(
    start: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let runtime = Handle::current();
    let (reply, started) = oneshot::channel();
    let start = Box::new(move || {
        let _inside = runtime.enter();
        let _nobody_waits = reply.send(start());
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    launcher()?.send(start).await.map_err(|_| gone())?;
    started.await.map_err(|_| gone())?
}

fn launcher() -> io::Result<mpsc::Sender<Start>> {
    static LAUNCHER: Mutex<Option<mpsc::Sender<Start>>> = Mutex::new(None);
    let mut launcher = LAUNCHER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(starts) = launcher.as_ref() {
        return Ok(starts.clone());
    }
    let (sender, mut starts) = mpsc::channel::<Start>(WAITING_STARTS);
    thread::Builder::new().name("launcher".to_owned()).spawn(move || {
        while let Some(start) = starts.blocking_recv() {
            start();
        }
    })?;
    Ok(launcher.insert(sender).clone())
}
