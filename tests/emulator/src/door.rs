//! The way in: connections are accepted, greeted over TLS where that is spoken, and bounded in number. What is said inside is not
//! its business.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::shared::Shared;

/// A connection, plain or over TLS.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A kind of listener.
pub(crate) struct Door {
    /// What it is for, in the journal's words.
    pub(crate) what: &'static str,
    /// Connections at a time; a further one waits to be accepted.
    pub(crate) most: usize,
    /// How long a TLS handshake may take.
    pub(crate) handshake_limit: Duration,
}

impl Door {
    /// Serves a listener until the task is ended. `inside` is given each connection, whether it is over TLS, and the platform.
    pub(crate) async fn serve<I, F>(
        &'static self,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        shared: Arc<Shared>,
        inside: I,
    ) where
        I: Fn(Box<dyn Wire>, bool, Arc<Shared>) -> F + Copy + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let places = Arc::new(Semaphore::new(self.most));
        loop {
            let place = places.clone().acquire_owned().await;
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let (tls, shared) = (tls.clone(), shared.clone());
            tokio::spawn(async move {
                let over_tls = tls.is_some();
                if let Some(stream) = self.greet(stream, tls, &shared).await {
                    inside(stream, over_tls, shared).await;
                }
                drop(place);
            });
        }
    }

    async fn greet(
        &self,
        stream: TcpStream,
        tls: Option<TlsAcceptor>,
        shared: &Shared,
    ) -> Option<Box<dyn Wire>> {
        // Without this a small packet can wait for the acknowledgement of the one before.
        stream.set_nodelay(true).ok()?;
        let Some(tls) = tls else {
            return Some(Box::new(stream));
        };
        let why = match timeout(self.handshake_limit, tls.accept(stream)).await {
            Ok(Ok(stream)) => return Some(Box::new(stream)),
            Ok(Err(error)) => format!("failed: {error}"),
            Err(_) => "took too long".to_owned(),
        };
        shared.act(|world, now| {
            let text = format!("the TLS handshake {} {why}", self.what);
            world.journal.note(now, None, text);
        });
        None
    }
}
