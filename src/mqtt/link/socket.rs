//! The socket under a connection, for the sake of its end.

use std::net::TcpStream as StdStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumqttc::NetworkOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A second handle to the socket that the library holds.
///
/// The library closes its own right after DISCONNECT. If the broker has sent something
/// meanwhile that is a reset and no end, and the broker may lose what came last before
/// it: acknowledgements, and the DISCONNECT. So the end is made here.
#[derive(Clone, Debug, Default)]
pub(super) struct Socket(Arc<Mutex<Option<StdStream>>>);

impl Socket {
    /// Connects, and keeps the second handle.
    pub(super) async fn connect(
        self,
        address: String,
        options: NetworkOptions,
    ) -> std::io::Result<TcpStream> {
        let stream = rumqttc::default_socket_connect(address, options).await?.into_std()?;
        self.replace(Some(stream.try_clone()?));
        TcpStream::from_std(stream)
    }

    /// Lets go of a connection that is gone, so that it closes at once.
    pub(super) fn forget(&self) {
        self.replace(None);
    }

    /// Ends the connection after all that has been sent: says that nothing follows,
    /// and waits for the broker to close, at most so long.
    pub(super) async fn end(&self, at_most: Duration) {
        let Some(Ok(mut stream)) = self.replace(None).map(TcpStream::from_std) else { return };
        let read_to_the_end = async {
            stream.shutdown().await?;
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        };
        // However it went, the connection is over.
        let _ended = tokio::time::timeout(at_most, read_to_the_end).await;
    }

    fn replace(&self, stream: Option<StdStream>) -> Option<StdStream> {
        // Whoever panicked with the lock has left a handle or none: either is fine.
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, stream)
    }
}
