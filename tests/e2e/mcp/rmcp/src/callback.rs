//! A listener on the loopback interface, where a browser brings the code. It reads nothing but the first line of a request.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

pub struct Callback {
    port: u16,
    arrived: UnboundedReceiver<String>,
}

impl Callback {
    pub async fn listen(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let (tell, arrived) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A browser may have gone away again.
                let _ = arrive(stream, port, &tell).await;
            }
        });
        Ok(Self { port, arrived })
    }

    /// Where the code is to be sent.
    pub fn address(&self) -> String {
        address(self.port)
    }

    /// The whole address with which a browser comes next.
    pub async fn next(&mut self) -> io::Result<String> {
        self.arrived.recv().await.ok_or_else(|| io::Error::other("nobody listens"))
    }
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}/callback")
}

async fn arrive(stream: TcpStream, port: u16, tell: &UnboundedSender<String>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut other = String::new();
    while stream.read_line(&mut other).await? > 2 {
        other.clear();
    }
    stream.write_all(PAGE).await?;
    let query = first.split(' ').nth(1).and_then(|target| target.strip_prefix("/callback"));
    if let Some(query) = query.filter(|query| query.starts_with('?')) {
        let _ = tell.send(address(port) + query);
    }
    Ok(())
}
