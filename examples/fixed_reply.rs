//! The fastest HTTP/1.1 server that is still honest: one thread, keep-alive, one fixed answer to each request. It speaks
//! HTTP/2 with who begins so, by the h2 crate.
//! Load generators are measured against it, so it must not be the slower side.
//!
//! Prints its port. After each line on standard input it prints how many requests it has answered so far; at
//! the end of the input it ends.

use std::{
    io::{self, BufRead, Write},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use bytes::Bytes;
use http::Response;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime, task,
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!";

const BODY: &[u8] = b"Hello, World!";

static ANSWERED: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    thread::spawn(report);
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            // A client that goes away is none of our business.
            task::spawn_local(async { drop(serve(stream).await) });
        }
    })
}

fn report() {
    for _ in io::stdin().lock().lines() {
        println!("{}", ANSWERED.load(Ordering::Relaxed));
        // Whoever reads may be gone.
        let _ = io::stdout().flush();
    }
    std::process::exit(0);
}

async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut start = [0; 3];
    stream.peek(&mut start).await?;
    if &start == b"PRI" { serve_http2(stream).await } else { serve_http1(stream).await }
}

async fn serve_http2(stream: TcpStream) -> io::Result<()> {
    let mut connection = h2::server::handshake(stream).await.map_err(io::Error::other)?;
    while let Some(request) = connection.accept().await {
        let (_, mut respond) = request.map_err(io::Error::other)?;
        let mut body = respond.send_response(Response::new(()), false).map_err(io::Error::other)?;
        body.send_data(Bytes::from_static(BODY), true).map_err(io::Error::other)?;
        ANSWERED.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn serve_http1(mut stream: TcpStream) -> io::Result<()> {
    let mut requests = [0; 16 * 1024];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut requests[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let (mut ended, mut answers) = (0, 0);
        while let Some(at) = end_of_head(&requests[ended..filled]) {
            ended += at;
            answers += 1;
        }
        requests.copy_within(ended..filled, 0);
        filled -= ended;
        match answers {
            0 => {}
            1 => stream.write_all(ANSWER).await?,
            _ => stream.write_all(&ANSWER.repeat(answers)).await?,
        }
        ANSWERED.fetch_add(answers as u64, Ordering::Relaxed);
    }
}

/// Just behind the empty line that ends a request without a body.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4)
}
