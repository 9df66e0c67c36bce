//! As much HTTP/1.1 as `dev` needs: one request per connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(2);

/// Whether somebody accepts connections there.
pub(crate) fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, PATIENCE).is_ok()
}

/// The status of `GET path`.
pub(crate) fn get(port: u16, path: &str) -> Result<u16> {
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    exchange(port, head.as_bytes())
}

/// The status of `POST path` with a JSON body.
pub(crate) fn post(port: u16, path: &str, body: &str) -> Result<u16> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(port, request.as_bytes())
}

fn exchange(port: u16, request: &[u8]) -> Result<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    status(&answer)
}

fn status(answer: &[u8]) -> Result<u16> {
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or(answer);
    let line = String::from_utf8_lossy(line);
    let word = line.split(' ').nth(1).context("the answer is not HTTP")?;
    word.parse().context("the answer has no status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        assert_eq!(
            status(b"HTTP/1.1 201 Created\r\na: b\r\n\r\n").unwrap(),
            201
        );
        assert!(status(b"").is_err());
        assert!(status(b"nonsense").is_err());
    }
}
