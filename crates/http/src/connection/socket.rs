//! What a connection reads from and writes to: a TCP socket, with TLS or without.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Ready once the client has closed its side. Until then, the task is woken when that happens. If something has to be
    /// read to find out, it is added to `ahead`, which must be read before anything else.
    fn poll_client_left(&mut self, context: &mut Context<'_>, ahead: &mut Vec<u8>) -> Poll<()>;
}

impl Socket for TcpStream {
    fn poll_client_left(&mut self, context: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<()> {
        match ready!(self.poll_peek(context, &mut ReadBuf::new(&mut [0; 1]))) {
            Ok(0) | Err(_) => Poll::Ready(()),
            // The next request. What comes after it can be seen only once it is read.
            Ok(_) => Poll::Pending,
        }
    }
}

impl Socket for TlsStream<TcpStream> {
    /// The end of a TLS connection is a message in it, so it must be read.
    fn poll_client_left(&mut self, context: &mut Context<'_>, ahead: &mut Vec<u8>) -> Poll<()> {
        if !ahead.is_empty() {
            return Poll::Pending;
        }
        let mut byte = [0; 1];
        let mut next = ReadBuf::new(&mut byte);
        match ready!(Pin::new(self).poll_read(context, &mut next)) {
            Ok(()) if !next.filled().is_empty() => {
                ahead.extend_from_slice(next.filled());
                Poll::Pending
            }
            Ok(()) | Err(_) => Poll::Ready(()),
        }
    }
}
