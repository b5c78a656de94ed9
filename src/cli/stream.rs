//! Sends bytes to a server, over TCP or TLS, and takes what comes until it closes the connection. What they mean is not known here.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// The most bytes that are read: more than a Redis says of itself.
const MOST: u64 = 64 * 1024;

/// How TLS verifies whom it talks to, and the name that the certificate must be for.
pub(crate) struct Tls {
    pub(crate) config: ClientConfig,
    pub(crate) name: ServerName<'static>,
}

/// A connection.
pub(crate) struct Stream {
    line: Line,
    /// How long connecting and the exchange may take, each.
    timeout: Duration,
}

enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects to the first of these addresses that answers, by TLS if that is given.
    ///
    /// # Errors
    /// Why nobody was reached.
    pub(crate) fn open(addresses: &[SocketAddr], tls: Option<Tls>, timeout: Duration) -> io::Result<Self> {
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        let mut reached = None;
        for address in addresses {
            match TcpStream::connect_timeout(address, timeout) {
                Ok(tcp) => {
                    reached = Some(tcp);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let Some(mut tcp) = reached else { return Err(last) };
        tcp.set_read_timeout(Some(timeout))?;
        tcp.set_write_timeout(Some(timeout))?;
        let Some(Tls { config, name }) = tls else { return Ok(Self { line: Line::Plain(tcp), timeout }) };
        let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(Self { line: Line::Tls(Box::new(StreamOwned::new(connection, tcp))), timeout })
    }

    /// Sends bytes, and returns what comes until the server closes the connection.
    ///
    /// # Errors
    /// If it does not close it in time, or the connection breaks before anything came.
    pub(crate) fn exchange(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let timeout = self.timeout;
        match self.line {
            Line::Plain(mut tcp) => exchange(&mut tcp, bytes, timeout),
            Line::Tls(mut tls) => exchange(&mut *tls, bytes, timeout),
        }
    }
}

fn exchange(line: &mut (impl Read + Write), bytes: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
    // A server that refuses the connection says why, and has closed it before it has read anything.
    let sent = line.write_all(bytes).and_then(|()| line.flush());
    let began = Instant::now();
    let (mut came, mut part) = (Vec::new(), [0; 4096]);
    let mut limited = line.take(MOST);
    loop {
        match limited.read(&mut part) {
            Ok(0) => break,
            Ok(length) => came.extend_from_slice(part.get(..length).unwrap_or_default()),
            // The end of TLS without its last word is an end.
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if began.elapsed() > timeout {
            return Err(ErrorKind::TimedOut.into());
        }
    }
    match sent {
        Err(error) if came.is_empty() => Err(error),
        _ => Ok(came),
    }
}
