//! Every limit of the product in one place, each with its unit and its reason. `docs/limits.md` repeats this table; a
//! test compares the two.

use serde::{Deserialize, Serialize};

use crate::problem::Problems;

/// Bytes of a configuration file: ten thousand routes fit; a mistaken path to a log file does not.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Problems reported for one document; past that the reader has stopped reading too.
pub const PROBLEMS_MAX: usize = 100;
/// Routes in a file, and routes of a Gateway: one for each host and path of a rule at each listener.
pub const ROUTES_MAX: usize = 10_000;
/// Listeners in a file: a Gateway has 64 at most, and its `ListenerSets` add to them.
pub const LISTENERS_MAX: usize = 1_000;
/// Certificates of one listener: one for each of as many hosts as there may be routes would not fit a file, a tenth does.
pub const CERTIFICATES_PER_LISTENER_MAX: usize = 1_000;
/// Bytes of a certificate with those that lead to its issuer, and of a key: a dozen of the largest in use fit.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a name: in a cluster a service is called by its name, its namespace and its port, each a Kubernetes label (63,
/// 63 and 15 bytes), with dots between.
pub const NAME_BYTES_MAX: usize = 143;
/// Versions of one service: as many as the 16 bits that are remembered of each visitor can tell apart.
pub const VERSIONS_MAX: usize = 14;
/// Seconds that a canary may be without a pod that can take a visitor. In a cluster only.
pub const CANARY_AWAITED_SECONDS_MAX: u64 = 30;
/// Versions that a rollout tries at the same time. Each has its own part of the chance to err.
pub const CANARIES_MAX: usize = 4;
/// Endpoints of one version, resolved addresses of DNS names included.
pub const ENDPOINTS_PER_VERSION_MAX: usize = 1_024;
/// Steps of a rollout.
pub const STEPS_MAX: usize = 50;
/// Bytes of a request head (start line and fields). More is answered 431.
pub const REQUEST_HEAD_BYTES_MAX: usize = 32 * 1024;
/// Fields in a head. More is answered 431.
pub const HEADERS_MAX: usize = 100;
/// Bytes of a request target. More is answered 414.
pub const URI_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a response head. More is answered 502.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that one HTTP/1.1 connection buffers at most in each direction: a slow reader slows its sender down, it does not
/// fill our memory.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Reads from an endpoint until the head of its response is complete: interim responses (1xx) before it have no other end.
/// The longest head fits in packets of 256 bytes. More is answered 502.
pub const RESPONSE_HEAD_READS_MAX: u32 = 256;
/// Concurrent HTTP/2 streams of one connection.
pub const H2_STREAMS_MAX: u32 = 100;
/// HTTP/2 receive window of a stream, in bytes: one stream's share of memory while its reader is slow.
pub const H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// HTTP/2 receive window of a connection, in bytes.
pub const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Idle connections kept to one endpoint by one worker.
pub const IDLE_PER_ENDPOINT_MAX: usize = 128;
/// Times one request may be sent to a version, and connections tried for it: the first and one more.
pub const ATTEMPTS_MAX: usize = 2;
/// Largest part of the requests in flight, in percent, that may wait for somebody to answer them: other services must not
/// be turned away for one that is down.
pub const PARKED_PERCENT_MAX: u32 = 50;
/// Seconds that a request may be made to wait so, at most: clients and what is between give up long before.
pub const PARK_SECONDS_MAX: u32 = 600;
/// Milliseconds until a request that waits is tried again where nothing has changed; each further time doubles them.
pub const PARKED_TRY_MILLIS_MIN: u32 = 100;
/// Milliseconds between two tries after many: a second after an application listens, everybody has found it.
pub const PARKED_TRY_MILLIS_MAX: u32 = 1_000;
/// Failures in a row after which an endpoint is ejected.
pub const EJECT_AFTER_FAILURES: u32 = 5;
/// Seconds of a first ejection; each further one in a row adds as much, up to ten times.
pub const EJECT_SECONDS: u32 = 10;
/// Largest part of a version's endpoints that may be ejected at once, in percent: better a bad endpoint than none.
pub const EJECT_PERCENT_MAX: usize = 50;
/// The e-value at which a proxy takes a failing canary out of service by itself: a canary that is no worse reaches it once
/// in a billion windows, that is once in three hundred years.
pub const TRIP_EVIDENCE: u32 = 1_000_000_000;
/// Seconds of a window of that evidence, which goes back to the beginning of the window before.
pub const TRIP_WINDOW_SECONDS: u32 = 10;
/// Least part of the canary's requests, in percent, that must fail for that: what is rarer can wait for the controller.
pub const TRIP_FAILING_PERCENT_MIN: u32 = 5;
/// Epochs of a service that keep their own counters; older ones are folded into `retired`.
pub const EPOCHS_MAX: usize = 32;
/// Visitors of all services that are remembered one by one; past that they are thinned by half.
pub const VISITORS_MAX: usize = 1_048_576;
/// Groups of visitors, by the time, the epoch and the version of first sight, whose conversion windows are open at once in
/// one rollout: 33 stretches of a window, at the most versions there are, with a dozen changes of shares in one of them.
/// Visitors beyond it convert as ever, but say nothing by not converting.
pub const COHORTS_MAX: usize = 4_096;
/// Evidence events of one worker that may wait for the thread that counts visitors, which looks every 10 ms: eight times
/// what a core can produce meanwhile. A full queue drops events and counts the drops.
pub const EVENT_QUEUE_MAX: usize = 8_192;
/// Lines of the access log of one worker that may wait for the thread that writes them, which looks every 10 ms: three
/// times what a core can produce meanwhile. Each may hold on to its request's head, so that a standard output that stands
/// still costs 64 MiB a worker at the very worst. A full queue drops lines and counts the drops.
pub const ACCESS_LOG_QUEUE_MAX: usize = 2_048;
/// Visitors each worker remembers so as not to ask twice.
pub const VISITOR_CACHE_MAX: usize = 16_384;
/// Seconds, at least, between two lookups of one DNS name, whatever its TTL says and however it fails: no name server is
/// flooded by a TTL of 0 or by a name that is gone.
pub const DNS_TTL_SECONDS_MIN: u32 = 1;
/// Seconds after which a DNS name is looked up again at the latest: a TTL of a day must not outlive the move of an
/// endpoint by a day.
pub const DNS_TTL_SECONDS_MAX: u32 = 300;
/// Seconds between two lookups of a DNS name that has failed many times in a row: half a minute after its name server is
/// back, so is the name.
pub const DNS_BACKOFF_SECONDS_MAX: u32 = 30;
/// Seconds a lookup of one DNS name may take, search domains and second name servers included.
pub const DNS_LOOKUP_TIMEOUT_SECONDS: u32 = 10;
/// Lookups of DNS names under way at once; each asks for IPv4 and IPv6, and a name server that answers over one TCP
/// connection is asked at most 32 questions at a time.
pub const DNS_LOOKUPS_MAX: usize = 16;
/// Seconds that a new configuration waits for the first answers about its DNS names, so that no version begins without
/// endpoints; then it comes into force with what is known.
pub const DNS_FIRST_ANSWER_SECONDS: u32 = 2;
/// Bytes of a `/metrics` answer that a scrape accepts.
pub const SCRAPE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Seconds a scrape may take.
pub const SCRAPE_TIMEOUT_SECONDS: u32 = 5;
/// Decisions of a service kept for `explain`; older ones are dropped, the count goes on.
pub const DECISIONS_MAX: usize = 1_000;
/// Intervals of evidence kept for the report of one rollout; past that neighbours of one epoch are merged.
pub const INTERVALS_MAX: usize = 4_096;
/// Marks of proxies' counters in what is remembered of a rollout, of all versions that it tries: one for each proxy, version
/// and epoch. Of the oldest epochs nothing more is read then. A status has room for twice as many.
pub const MARKS_MAX: usize = 8_192;
/// Gates of a `Rollout` object: each may hold up every version.
pub const GATES_MAX: usize = 16;
/// Characters of the id of a command to a `Rollout` object that are heeded: it is repeated in the status.
pub const COMMAND_ID_BYTES_MAX: usize = 64;
/// Decisions that the status of a `Rollout` object shows; the rest is in the log.
pub const OBJECT_DECISIONS_MAX: usize = 20;
/// Gates in the status of a Rollout: of the version that is tried and of the one before, at most 16 of each.
pub const OBJECT_GATES_MAX: usize = 32;
/// Bytes of what is remembered of a Service in the status of its `Rollout` object: etcd takes 1.5 MiB for an object.
pub const OBJECT_RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of that record up to which it is readable text; a longer one is compressed.
pub const OBJECT_RECORD_PLAIN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of that record once it is read.
pub const OBJECT_RECORD_UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the manifests given to `tidegate inject`: every object of a large installation fits.
pub const MANIFESTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a question of the API server about a pod: twice what it takes itself from those who create one.
pub const ADMISSION_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Milliseconds in which such a question is answered, its reading included: it waits 2 s, connecting included.
pub const ADMISSION_MILLISECONDS: u64 = 1_500;
/// Milliseconds that a pod waits until its revision is on record, of those: watches are milliseconds behind, seldom more.
pub const REVISION_WAIT_MILLISECONDS: u64 = 1_000;
/// Warnings in such an answer: the API server shortens what is longer than 4 kB together.
pub const WARNINGS_MAX: usize = 10;
/// Bytes of the message of an Event (`core/v1` allows 1,024).
pub const NOTICE_BYTES_MAX: usize = 1_000;
/// Connections of API servers to the webhook of one replica: each keeps one for every question under way, and a thousand
/// pods made at once are some hundred questions.
pub const WEBHOOK_CONNECTIONS_MAX: usize = 512;
/// Seconds in which an API server must have shaken hands: it gives up after 2.
pub const WEBHOOK_GREETING_SECONDS: u32 = 2;
/// Seconds that such a connection may rest: longer than the 90 s after which an API server closes it. Were we the first to
/// close, a question could be lost on its way, and its pod pass unchanged.
pub const WEBHOOK_IDLE_SECONDS: u32 = 180;
/// Seconds that a replica that ends still answers: until every node has heard that it is gone.
pub const WEBHOOK_LINGER_SECONDS: u32 = 2;
/// Events that wait to be written: a rollout of a thousand pods that are all refused the sidecar. Past it they are dropped
/// and counted; nothing ever waits for an Event.
pub const EVENTS_MAX: usize = 1_024;
/// Texts of Events whose repetitions are told apart from new ones.
pub const EVENT_TEXTS_MAX: usize = 64;
/// Seconds that the API server may take for one Event.
pub const EVENT_SECONDS: u32 = 5;
/// Bytes of a command sent over the Unix socket.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one message from the controller to a proxy: five times what 5,000 services with 20,000 endpoints, all in the
/// middle of rollouts, take.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a proxy's acknowledgement, and of the reason in it a quarter.
pub const ACKNOWLEDGEMENT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a proxy's token, and of the bundle of certificates it trusts: every root that a distribution ships fits.
pub const CREDENTIAL_BYTES_MAX: usize = 256 * 1024;
/// Seconds between two signs of life of a stream on which nothing changes.
pub const HEARTBEAT_SECONDS: u32 = 5;
/// Seconds without a byte after which a stream is dead: three signs of life have not come.
pub const SILENCE_SECONDS: u32 = 15;
/// Seconds that one replica of the controller may take to accept a connection, prove who it is and begin to answer.
pub const CONTROLLER_ANSWER_SECONDS: u32 = 3;
/// Addresses of the controller that a proxy tries before it waits.
pub const CONTROLLER_ADDRESSES_MAX: usize = 16;
/// Milliseconds until a proxy tries again after a first failure; each further one in a row doubles them.
pub const CONTROLLER_BACKOFF_MILLIS_MIN: u32 = 100;
/// Milliseconds between two tries after many failures: five seconds after a controller is back, every proxy has found it.
pub const CONTROLLER_BACKOFF_MILLIS_MAX: u32 = 5_000;
/// Seconds that a starting proxy waits for a controller before it serves what it kept on disk.
pub const CONTROLLER_PATIENCE_SECONDS: u32 = 1;
/// Seconds, at least, between two writes of the publication that a proxy keeps on disk: endpoints that come and go in a
/// large cluster would else write megabytes all the time.
pub const KEEP_SECONDS_MIN: u32 = 1;
/// Connections to the metrics and health of a proxy at once.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Connections of proxies to one replica of the controller: each costs some 30 KB.
pub const PROXIES_MAX: usize = 4_096;
/// Seconds that a proxy may take to prove who it is.
pub const PROXY_GREETING_SECONDS: u32 = 10;
/// Requests of one proxy under way at once: its stream, an acknowledgement, and some more.
pub const PROXY_REQUESTS_MAX: u32 = 8;
/// Bytes of a proxy's request head: a token of 1 to 2 KB, and little else.
pub const PROXY_HEAD_BYTES_MAX: u32 = 16 * 1024;
/// Minutes that one stream lasts at most, and half as long at least: then the proxy asks again, with the token it has then, and maybe another replica.
pub const STREAM_MINUTES_MAX: u32 = 30;
/// Messages kept in the form in which they are sent, so that proxies that need the same one share it.
pub const LINES_MAX: usize = 32;
/// Bytes of those messages together.
pub const LINES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Public keys of the cluster's token issuer that are read: it publishes one, and a second one while they change.
pub const TOKEN_KEYS_MAX: usize = 32;
/// Seconds by which two clocks may differ where a token's time is judged.
pub const CLOCK_SKEW_SECONDS: u32 = 10;
/// Bytes of the message of one condition in an object's status: with 32 parents of three conditions each the object stays
/// far below what an API server stores.
pub const CONDITION_MESSAGE_BYTES_MAX: usize = 1_024;
/// Replicas of a Gateway's proxies that may be asked for: a slip of the keyboard must not fill a cluster.
pub const GATEWAY_REPLICAS_MAX: i32 = 100;

/// The limits a user may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Client connections of the whole process. Past that a new one is closed at once. Default 20000.
    pub connections: u32,
    /// Requests in flight in the whole process. Past that a request is answered 503 with `Retry-After`. Default 10000.
    pub requests_in_flight: u32,
    /// Bytes of a request body; 0: no limit. More is answered 413. Default 0.
    pub request_body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 20_000, requests_in_flight: 10_000, request_body_bytes: 0 }
    }
}

impl Limits {
    pub(crate) fn check(&self, problems: &mut Problems) {
        for (name, value) in [("connections", self.connections), ("requestsInFlight", self.requests_in_flight)] {
            if value == 0 {
                problems.add(format!("limits.{name}"), "0 would refuse everything", "1 or more");
            }
        }
    }
}
