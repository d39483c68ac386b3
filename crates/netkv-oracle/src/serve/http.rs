//! The HTTP server: one thread, since one core answers tens of thousands of requests a second.

use super::answers::Answers;
use super::meters::Meters;
use super::snapshot::Board;
use crate::clock::Moment;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

/// A head comes within this time, or the connection is closed: that of the next request on a kept connection too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 8 << 10;

/// How often it is looked whether to stop, and how long answers under way may take then.
const STOP_POLL: Duration = Duration::from_millis(50);
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long it rests when the system has no more sockets.
const EXHAUSTED: Duration = Duration::from_millis(20);

/// How the server serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Serving {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Figures that are older are said to be stale, in seconds.
    pub stale_after_s: f64,
    /// Connections at once; further ones are closed.
    pub max_connections: usize,
}

/// A server that listens already.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    serving: Serving,
    board: Arc<Board>,
    meters: Arc<Meters>,
}

struct Shared {
    answers: Answers,
    board: Arc<Board>,
    meters: Arc<Meters>,
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the system refuses the address.
    pub fn listen(serving: Serving, board: Arc<Board>) -> io::Result<Self> {
        let listener = TcpListener::bind(serving.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, serving, board, meters: Arc::default() })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    pub fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.meters)
    }

    /// Serves until `stop` is set; answers under way are then finished.
    ///
    /// # Errors
    /// If the system refuses what a server needs.
    pub fn run(self, stop: &AtomicBool) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        LocalSet::new().block_on(&runtime, self.accept(stop))
    }

    async fn accept(self, stop: &AtomicBool) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let answers = Answers::new(self.board.plan(), self.serving.stale_after_s);
        let shared = Arc::new(Shared { answers, board: self.board, meters: self.meters });
        let places = Arc::new(Semaphore::new(self.serving.max_connections));
        let graceful = GracefulShutdown::new();
        while !stop.load(Ordering::Relaxed) {
            let stream = match timeout(STOP_POLL, listener.accept()).await {
                // Nobody came: time to look whether to stop.
                Err(_) => continue,
                Ok(Ok((stream, _))) => stream,
                Ok(Err(_)) => {
                    sleep(EXHAUSTED).await;
                    continue;
                }
            };
            let place = Arc::clone(&places).try_acquire_owned();
            shared.meters.connected(place.is_ok());
            let Ok(place) = place else { continue };
            let connection = graceful.watch(connection(stream, Arc::clone(&shared)));
            tokio::task::spawn_local(async move {
                // Whatever a client does wrong ends its own connection.
                let _ = connection.await;
                drop(place);
            });
        }
        drop(listener);
        let _ = timeout(LAST_ANSWERS, graceful.shutdown()).await;
        Ok(())
    }
}

fn connection(
    stream: TcpStream,
    shared: Arc<Shared>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Small answers go out at once; if the system refuses that, they are slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let began = Moment::now();
        let (head, _) = request.into_parts();
        let Shared { answers, board, meters } = shared.as_ref();
        let (route, answer) = answers.to(&head.method, head.uri.path(), head.uri.query(), board, meters);
        meters.answered(route, answer.status().as_u16(), began.elapsed_s());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
}
