//! What the integration tests are made of: a programmable version, a proxy on a free port, clients that send exact bytes,
//! and a way to wait for a condition. Everything is real and on loopback; nothing sleeps to be in time.

mod backend;
mod client;
mod clock;
mod gate;
mod http2;
mod proxy;
mod samples;
mod tls;

pub(crate) use backend::{After, Backend, Exchange, answers, backlogged, reply, unserved};
pub(crate) use client::{Client, fields};
pub(crate) use clock::{now, until};
pub(crate) use gate::Gate;
pub(crate) use http2::{Http2, request};
pub(crate) use proxy::{COOKIE_KEY, ROLLOUT_BEGAN, TestProxy, canary, fixed, one, spread};
pub(crate) use samples::{Samples, binomial_bounds};
pub(crate) use tls::{Made, TlsClient, met};
