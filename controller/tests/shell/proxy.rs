//! A proxy of which only `/metrics` is real: it counts the visitors that a test sends it, by the split it was given.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tidegate_config::{Name, Publication, RolloutId, Share};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    counted: Arc<Mutex<Counted>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Counted {
    in_force: Option<Arc<Publication>>,
    rows: BTreeMap<(Name, Name, u64), Row>,
    silent: bool,
    unreachable: Vec<Name>,
}

#[derive(Default)]
struct Row {
    rollout: Option<RolloutId>,
    compared: bool,
    visitors: u64,
    failed: u64,
}

impl Proxy {
    /// Serves on a free port until it is dropped.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counted = Arc::new(Mutex::new(Counted::default()));
        let mut server = JoinSet::new();
        let shown = counted.clone();
        server.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shown = shown.clone();
                let answer = service_fn(move |request: Request<Incoming>| {
                    assert_eq!(request.uri().path(), "/metrics");
                    let answer = shown.lock().unwrap().answer();
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { address, counted, _server: server }
    }

    /// Puts a publication in force.
    pub(crate) fn take(&self, publication: Arc<Publication>) {
        self.counted.lock().unwrap().in_force = Some(publication);
    }

    /// Sends new visitors with one request each; of a version's visitors the part named in `failing` fails.
    pub(crate) fn visit(&self, service: &Name, visitors: u64, failing: &[(&str, f64)]) {
        let mut counted = self.counted.lock().unwrap();
        let split = counted.in_force.as_ref().unwrap().splits[service].clone();
        let shares: BTreeMap<_, _> = split.arms.iter().map(|arm| (arm.version.clone(), arm.share)).collect();
        let compared = split.canary.as_ref().is_some_and(|canary| shares[canary] > Share::ZERO);
        for (version, share) in shares {
            let row = counted.rows.entry((service.clone(), version.clone(), split.epoch)).or_default();
            (row.rollout, row.compared) = (split.rollout, compared);
            let new = visitors * u64::from(share.ppm()) / 1_000_000;
            let rate = failing.iter().find(|(name, _)| *name == version.as_str()).map_or(0.0, |(_, rate)| *rate);
            row.visitors += new;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let failed = (new as f64 * rate).round() as u64;
            row.failed += failed;
        }
    }

    /// Stops answering, or answers again.
    pub(crate) fn silence(&self, silent: bool) {
        self.counted.lock().unwrap().silent = silent;
    }

    /// Cannot connect to any endpoint of a version any more.
    pub(crate) fn lose(&self, version: &str) {
        self.counted.lock().unwrap().unreachable.push(version.parse().unwrap());
    }

    /// Visitors that a version got while both versions of a rollout had some.
    pub(crate) fn compared(&self, rollout: RolloutId, version: &Name) -> u64 {
        let counted = self.counted.lock().unwrap();
        let own = counted.rows.iter().filter(|((_, of, _), row)| of == version && row.rollout == Some(rollout));
        own.filter(|(_, row)| row.compared).map(|(_, row)| row.visitors).sum()
    }
}

impl Counted {
    fn answer(&self) -> Response<Full<Bytes>> {
        if self.silent {
            return Response::builder().status(503).body(Full::default()).unwrap();
        }
        Response::new(Full::from(self.text().unwrap()))
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::from("process_start_time_seconds 1700000000.25\n");
        let Some(in_force) = &self.in_force else { return Ok(text) };
        writeln!(text, "tidegate_generation {}", in_force.generation)?;
        for ((service, version, epoch), row) in &self.rows {
            let labels = format!("service=\"{service}\",version=\"{version}\",epoch=\"{epoch}\"");
            for (family, count) in [
                ("requests", row.visitors),
                ("visitors", row.visitors),
                ("visitors_new", row.visitors),
                ("visitors_exposed", row.visitors),
                ("visitors_failed", row.failed),
            ] {
                writeln!(text, "tidegate_{family}_total{{{labels}}} {count}")?;
            }
            writeln!(text, "tidegate_failures_total{{{labels},cause=\"status\"}} {}", row.failed)?;
            // Every answer takes 10 ms.
            for (le, count) in [("0.008", 0), ("0.016", row.visitors), ("+Inf", row.visitors)] {
                writeln!(text, "tidegate_first_response_seconds_bucket{{{labels},le=\"{le}\"}} {count}")?;
            }
        }
        for (service, split) in &in_force.splits {
            for arm in &split.arms {
                let unreachable = u8::from(self.unreachable.contains(&arm.version));
                let labels = format!("service=\"{service}\",version=\"{}\"", arm.version);
                writeln!(text, "tidegate_endpoints{{{labels},state=\"admitted\"}} {}", 1 - unreachable)?;
                writeln!(text, "tidegate_endpoints{{{labels},state=\"unreachable\"}} {unreachable}")?;
            }
        }
        Ok(text)
    }
}
