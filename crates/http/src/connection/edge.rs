//! The edge between a socket and hyper: records activity, and gives hyper's own error responses a body.
//!
//! hyper responds to a head that it cannot parse with a bare status, before any service is called. The API promises a
//! problem for every error, so such a response is replaced on its way out.

use super::socket::Socket;
use crate::activity::Activity;
use api::{Code, Problem};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Responses up to this size are copied into one write.
const SMALL_BYTES: usize = 1_024;

/// A socket as hyper sees it.
#[derive(Debug)]
pub(super) struct Edge<S> {
    stream: S,
    activity: Arc<Activity>,
    /// Read before the protocol was known, or to see whether the client is still there.
    prefix: Vec<u8>,
    replacement: Option<Replacement>,
    rewrites: Rewrites,
    /// TLS has bytes that the socket does not accept.
    flush_blocked: bool,
}

/// Whether hyper's own responses can be recognised in what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rewrites {
    /// HTTP/1.
    Refusals,
    /// HTTP/2: frames.
    Nothing,
}

#[derive(Debug)]
struct Replacement {
    bytes: Vec<u8>,
    sent: usize,
    /// The number of bytes of hyper's response that it replaces.
    replaces: usize,
}

impl<S: Socket> Edge<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, prefix: Vec<u8>, rewrites: Rewrites) -> Self {
        activity.received(prefix.len());
        Self { stream, activity, prefix, replacement: None, rewrites, flush_blocked: false }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.activity.write_blocked(),
            Poll::Ready(_) => self.activity.sent(),
        }
        written
    }

    fn poll_replacement(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(replacement) = &mut self.replacement {
            let rest = &replacement.bytes[replacement.sent..];
            if rest.is_empty() {
                let replaces = replacement.replaces;
                self.replacement = None;
                return Poll::Ready(Ok(replaces));
            }
            replacement.sent += ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
        }
        Poll::Ready(Ok(0))
    }
}

impl<S: Socket> AsyncRead for Edge<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let len = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix[..len]);
            self.prefix.drain(..len);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buf))?;
        self.activity.received(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> AsyncWrite for Edge<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.replacement.is_some() {
            return self.poll_replacement(context);
        }
        let buf = match (self.rewrites, refusal(buf)) {
            (Rewrites::Refusals, Some((0, status))) => {
                self.replacement =
                    Some(Replacement { bytes: problem_response(status), sent: 0, replaces: buf.len() });
                return self.poll_replacement(context);
            }
            // First what precedes it. hyper writes the rest in another call.
            (Rewrites::Refusals, Some((at, _))) => &buf[..at],
            _ => buf,
        };
        let written = Pin::new(&mut self.stream).poll_write(context, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let filled = bufs.iter().filter(|buf| !buf.is_empty()).count();
        let last = bufs.iter().rev().find(|buf| !buf.is_empty());
        if self.replacement.is_some() || filled <= 1 || last.is_some_and(|last| refusal(last).is_some()) {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &**buf);
            return self.poll_write(context, first);
        }
        // Head and body of a small response in one piece, which the kernel takes faster than two.
        let mut small = [0; SMALL_BYTES];
        if let Some(len) = gather(bufs, &mut small) {
            let written = Pin::new(&mut self.stream).poll_write(context, &small[..len]);
            return self.note(written);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper reads nothing while a request is answered, so it does not notice that the client leaves. It flushes each
    /// time it is polled, which is the occasion to look, and to be polled again when that happens.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.activity.watches_client()
            && this.stream.poll_client_left(context, &mut this.prefix).is_ready()
        {
            this.activity.client_closed_its_side();
            // The request that waits is polled before the flush.
            context.waker().wake_by_ref();
        }
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        if flushed.is_pending() {
            this.flush_blocked = true;
            this.activity.write_blocked();
        } else if this.flush_blocked {
            this.flush_blocked = false;
            this.activity.sent();
        }
        flushed
    }

    /// Closing with unread bytes would reset the connection before the client has read the last response. So this
    /// discards what still arrives, until the client closes its side or the time limit is reached.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.activity.is_closing() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.activity.close();
        }
        let mut away = [0; 4_096];
        loop {
            let mut rest = ReadBuf::new(&mut away);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut rest))?;
            if rest.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Copies all pieces into `out`, if they fit.
fn gather(bufs: &[IoSlice<'_>], out: &mut [u8]) -> Option<usize> {
    let mut len = 0;
    for buf in bufs {
        out.get_mut(len..len + buf.len())?.copy_from_slice(buf);
        len += buf.len();
    }
    Some(len)
}

/// Where hyper's own error response begins at the end of what it writes, and its status. This server never sends a
/// 4xx without a body, and none of its bodies contains a blank line after a status line.
fn refusal(buf: &[u8]) -> Option<(usize, u16)> {
    const HEAD_MAX: usize = 256;
    const START: &[u8] = b"HTTP/1.1 4";
    if !buf.ends_with(b"\r\n\r\n") {
        return None;
    }
    let tail_at = buf.len().saturating_sub(HEAD_MAX);
    let tail = &buf[tail_at..];
    let at = tail.windows(START.len()).rposition(|window| window == START)?;
    let head = std::str::from_utf8(&tail[at..]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    head.contains("content-length: 0\r\n").then_some((tail_at + at, status))
}

/// The response that replaces hyper's bare status.
fn problem_response(status: u16) -> Vec<u8> {
    let (code, detail) = match status {
        414 => (Code::UriTooLong, "the request line is too long"),
        431 => (Code::HeadTooLarge, "the head has too many headers or bytes"),
        _ => (Code::BadRequest, "the request cannot be parsed as HTTP/1.1"),
    };
    raw_response(&Problem::new(code, detail))
}

/// A whole response, after which the connection is closed.
pub(super) fn raw_response(problem: &Problem) -> Vec<u8> {
    let body = problem.to_bytes();
    let status = problem.status();
    let reason =
        http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or_default();
    let retry =
        problem.retry_after_s.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let mut bytes = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n{retry}connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{Action, Timeouts};
    use crate::options::HttpOptions;
    use std::task::Waker;
    use std::time::Instant;

    #[test]
    fn only_hyper_s_own_error_responses_are_recognised() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert_eq!(refusal(own.as_bytes()), Some((0, 431)));
        let behind = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}{own}");
        assert_eq!(refusal(behind.as_bytes()), Some((behind.len() - own.len(), 431)));
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: 17\r\n\r\n",
            "0\r\n\r\n",
            "",
        ] {
            assert_eq!(refusal(other.as_bytes()), None, "{other}");
        }
    }

    /// What TLS is when its client reads nothing: the last bytes are taken, and stay.
    struct Full;

    impl AsyncRead for Full {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Full {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl Socket for Full {
        fn poll_client_left(&mut self, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<()> {
            Poll::Pending
        }
    }

    #[test]
    fn a_client_that_leaves_the_last_bytes_to_tls_is_closed() {
        let (activity, options, start) =
            (Arc::new(Activity::default()), HttpOptions::default(), Instant::now());
        activity.request_began();
        let mut edge = Edge::new(Full, Arc::clone(&activity), Vec::new(), Rewrites::Refusals);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut edge).poll_write(&mut context, b"the end").is_ready());
        assert!(Pin::new(&mut edge).poll_flush(&mut context).is_pending());
        let mut timeouts = Timeouts::new(start);
        assert_eq!(timeouts.check(&activity, &options, start), Action::Continue);
        let action = timeouts.check(&activity, &options, start + options.write_wait);
        assert_eq!(action, Action::Close("the client read nothing for too long"));
    }

    #[test]
    fn a_whole_problem_replaces_them() {
        let text = String::from_utf8(problem_response(431)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 ") && head.contains("connection: close"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert!(body.contains("\"code\":\"head_too_large\""));
    }
}
