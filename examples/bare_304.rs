//! The floor of a revalidation: reqwest alone, asking a server again and again whether anything has changed.
//!
//! Takes the URL and the `ETag`. After each line on standard input, which tells how many to ask one by one, it prints the
//! microseconds each took.

use std::{
    error::Error,
    io::{self, BufRead},
    time::Instant,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (url, etag) = (arguments.next().ok_or("no URL")?, arguments.next().ok_or("no ETag")?);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tls = aiwf_native::tls::client_config()?;
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build()?;
    for line in io::stdin().lock().lines() {
        let count: u32 = line?.trim().parse()?;
        let started = Instant::now();
        runtime.block_on(async {
            for _ in 0..count {
                let request = client.get(&url).header("if-none-match", &etag);
                let response = request.send().await?;
                assert_eq!(response.status(), 304);
                response.bytes().await?;
            }
            Ok::<_, reqwest::Error>(())
        })?;
        println!("{}", started.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    Ok(())
}
