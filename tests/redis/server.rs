//! A Redis of its own for each test, and what is said to it. Nothing is judged here.

use std::fs::{create_dir_all, remove_dir_all};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use accredit::http::message::{Headers, HttpCall, Reply};

/// A Redis of its own, until it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    folder: PathBuf,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        let program =
            std::env::var("REDIS_SERVER").unwrap_or_else(|_| panic!("REDIS_SERVER names no redis-server; make redis does"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("accredit-redis-{}-{port}", std::process::id()));
        create_dir_all(&folder).unwrap();
        let process = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir", folder.to_str().unwrap()])
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, port, folder };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("no Redis listens on {port}");
    }

    /// Sends bytes and the end, and returns what comes until Redis closes the connection.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut came = Vec::new();
        // A server that refuses the connection closes it before it has read anything.
        let _ = connection.write_all(bytes).and_then(|()| connection.shutdown(Shutdown::Write));
        match connection.read_to_end(&mut came) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => came,
        }
    }

    pub(crate) fn answer(&self, call: &HttpCall) -> Reply {
        Reply::Answered { status: 200, headers: Headers::default(), body: self.exchange(&call.body) }
    }

    /// Does something that Accredit never does: words, separated by spaces.
    pub(crate) fn does(&self, command: &str) -> String {
        self.does_with(command, &[])
    }

    pub(crate) fn does_with(&self, command: &str, last: &[&[u8]]) -> String {
        let arguments: Vec<&[u8]> = command.split(' ').map(str::as_bytes).chain(last.iter().copied()).collect();
        let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            bytes.extend([format!("${}\r\n", argument.len()).as_bytes(), argument, b"\r\n"].concat());
        }
        String::from_utf8_lossy(&self.exchange(&bytes)).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = remove_dir_all(&self.folder);
    }
}
