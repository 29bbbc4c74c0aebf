//! Addresses where no connection can be made, the same on every machine and without asking any other.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of `127.0.0.1` that refuses every connection for as long as this lives: it is taken, and nobody listens.
#[derive(Debug)]
pub struct RefusingPort {
    address: SocketAddr,
    _taken: TcpSocket,
}

impl RefusingPort {
    /// Takes a free port.
    ///
    /// # Errors
    /// When none can be had.
    pub fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _taken: socket })
    }

    /// The base URL for a client (`http://127.0.0.1:PORT/v1`).
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

/// A base URL whose host no resolver finds: its first label is longer than a name may have (RFC 1035), so that the
/// system refuses it without asking a name server, and it lies in the domain that never exists (RFC 6761).
pub fn unknown_host() -> String {
    format!("http://{}.invalid/v1", "x".repeat(64))
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpStream, lookup_host};

    use super::*;

    #[tokio::test]
    async fn refuses_and_is_not_found() {
        let port = RefusingPort::take().unwrap();
        let error = TcpStream::connect(port.address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

        let url = unknown_host();
        let host = url.trim_start_matches("http://").trim_end_matches("/v1");
        assert!(lookup_host((host, 80)).await.is_err());
    }
}
