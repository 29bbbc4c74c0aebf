//! Sockets whose other side may not keep us waiting for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What a client of HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that fails when nothing that is written goes out for too long, or when it is not told in time which HTTP is spoken.
/// How long a whole head may take, and the silence between requests, is the business of who reads them.
pub(super) struct Patience<S> {
    socket: S,
    limits: PatienceLimits,
    told: Told,
    silent: Option<Pin<Box<Sleep>>>,
    stuck: Option<Pin<Box<Sleep>>>,
    on_stall: Box<dyn Fn() + Send>,
}

/// How long the other side may take.
#[derive(Clone, Copy)]
pub(super) struct PatienceLimits {
    /// For the bytes that tell HTTP/1.1 from HTTP/2; `None`: something else watches over them.
    pub(super) silence: Option<Duration>,
    /// For taking any part of what is written.
    pub(super) stall: Duration,
}

/// What is known of the HTTP that is spoken.
enum Told {
    /// So many bytes are those of the [`PREFACE`], and it is not complete.
    NotYet(usize),
    Enough,
}

impl<S> Patience<S> {
    /// `on_stall` is called when nothing went out for too long.
    pub(super) fn new(
        socket: S,
        limits: PatienceLimits,
        on_stall: impl Fn() + Send + 'static,
    ) -> Self {
        let told = if limits.silence.is_some() { Told::NotYet(0) } else { Told::Enough };
        let silent = limits.silence.map(|limit| Box::pin(sleep(limit)));
        Self { socket, limits, told, silent, stuck: None, on_stall: Box::new(on_stall) }
    }

    fn heard(&mut self, bytes: &[u8]) {
        let Told::NotYet(known) = self.told else {
            return;
        };
        let expected = &PREFACE[known..];
        let together = bytes.len().min(expected.len());
        let is_preface = bytes[..together] == expected[..together];
        self.told = match is_preface && together < expected.len() {
            true => Told::NotYet(known + together),
            false => Told::Enough,
        };
        if matches!(self.told, Told::Enough) {
            self.silent = None;
        }
    }

    /// What came of writing, which may not be nothing for too long.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.stuck = None;
            return result;
        }
        let limit = self.limits.stall;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stuck.as_mut().poll(cx));
        self.stuck = None;
        (self.on_stall)();
        Poll::Ready(Err(late("the client takes nothing of what is sent")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                self.heard(&buffer.filled()[before..]);
                Poll::Ready(result)
            }
            Poll::Pending => match &mut self.silent {
                Some(silent) => {
                    ready!(silent.as_mut().poll(cx));
                    Poll::Ready(Err(late("the client sends no request")))
                }
                None => Poll::Pending,
            },
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

fn late(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}
