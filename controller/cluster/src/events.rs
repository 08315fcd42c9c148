//! Events of objects (`events.k8s.io/v1`): what people see with `kubectl describe`. They are for the eye alone: nobody waits
//! for one, and one that cannot be written is dropped and counted.
//!
//! What replicas notice beside each other is counted up by the API server's own means. What one leader after another knows is
//! told under a name that follows from it, so that it is there once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use tidegate_config::limits::{EVENT_SECONDS, EVENT_TEXTS_MAX, EVENTS_MAX, NOTICE_BYTES_MAX};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::digest::digits;
use crate::lead::News;

/// Who we are in Events (`reportingController`).
const CONTROLLER: &str = "tidegate.dev/controller";
/// Characters of an object's name in that of its Event, so that both fit into one.
const NAME_MAX: usize = 200;
/// Characters of `reportingInstance`: the API's limit.
const INSTANCE_MAX: usize = 128;

/// Where Events are told. Cheap to copy.
#[derive(Debug, Clone)]
pub struct Events {
    waiting: mpsc::Sender<Told>,
    dropped: Arc<AtomicU64>,
}

/// An Event, and whose it is.
pub struct Told {
    regarding: ObjectReference,
    event: Event,
    /// What tells it from others, where it is told once.
    id: Option<String>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectReference { kind, name, .. } = &self.regarding;
        write!(f, "{kind:?} {name:?}: {} ({:?})", self.event.reason, self.event.note)
    }
}

impl Events {
    /// A place for Events, and where [`write()`] takes them from.
    pub fn new() -> (Self, mpsc::Receiver<Told>) {
        let (waiting, told) = mpsc::channel(EVENTS_MAX);
        (Self { waiting, dropped: Arc::default() }, told)
    }

    /// Tells of `regarding` that `action` was taken or not, for `reason`, both in one word; `note` is for people. Never
    /// waits: where too many wait already it is dropped.
    pub fn publish(&self, regarding: ObjectReference, type_: EventType, reason: &str, action: &str, note: String) {
        let (reason, action) = (reason.to_owned(), action.to_owned());
        let event = Event { type_, reason, action, note: Some(note), secondary: None };
        self.tell(Told { regarding, event, id: None });
    }

    /// Tells of `regarding` once, whoever does, for as long as the API server keeps Events.
    pub fn once(&self, regarding: ObjectReference, news: &News) {
        let News { warns, reason, action, note, id } = news.clone();
        let type_ = if warns { EventType::Warning } else { EventType::Normal };
        let event = Event { type_, reason: reason.into(), action: action.into(), note: Some(note), secondary: None };
        self.tell(Told { regarding, event, id: Some(id) });
    }

    fn tell(&self, told: Told) {
        if self.waiting.try_send(told).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were dropped, or refused by the API server.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Writes what is told, one after the other, as the replica `instance`.
pub async fn write(client: Client, instance: String, events: Events, mut told: mpsc::Receiver<Told>) {
    let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(instance.clone()) };
    let mut recorders = Recorders { client: client.clone(), reporter, known: VecDeque::new() };
    let mut trouble = None;
    while let Some(Told { regarding, event, id }) = told.recv().await {
        let written = async {
            match id {
                None => recorders.of(event.note.as_deref().unwrap_or_default()).publish(&event, &regarding).await,
                Some(id) => create(&client, named(&regarding, event, &id, &instance)).await,
            }
        };
        let written = timeout(Duration::from_secs(EVENT_SECONDS.into()), written).await;
        let failed = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if let Some(error) = &failed {
            events.dropped.fetch_add(1, Ordering::Relaxed);
            if failed != trouble {
                eprintln!("tidegate-controller: an Event cannot be written: {error}");
            }
        }
        trouble = failed;
    }
}

/// Makes an Event. One that is there was told already.
async fn create(client: &Client, event: v1::Event) -> Result<(), kube::Error> {
    let namespace = event.metadata.namespace.clone().unwrap_or_default();
    let events: Api<v1::Event> = Api::namespaced(client.clone(), &namespace);
    match events.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        made => made.map(drop),
    }
}

/// An Event whose name follows from what it is about.
fn named(regarding: &ObjectReference, event: Event, id: &str, instance: &str) -> v1::Event {
    let whose = regarding.uid.as_deref().unwrap_or_default();
    let digest = digits(&format!("{whose}\n{id}"));
    let name: String = regarding.name.iter().flat_map(|name| name.chars()).take(NAME_MAX).collect();
    let type_ = if matches!(event.type_, EventType::Warning) { "Warning" } else { "Normal" };
    v1::Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{digest}", name.trim_end_matches(['-', '.']))),
            // What is in no namespace has its Events in this one; the API server takes them in no other.
            namespace: regarding.namespace.clone().or_else(|| Some("default".to_owned())),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(jiff::Timestamp::now())),
        regarding: Some(regarding.clone()),
        reason: Some(event.reason),
        action: Some(event.action),
        note: event.note.map(|note| cut(&note)),
        type_: Some(type_.to_owned()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.chars().take(INSTANCE_MAX).collect()),
        ..v1::Event::default()
    }
}

/// A note as long as the API server takes it.
fn cut(note: &str) -> String {
    if note.len() <= NOTICE_BYTES_MAX {
        return note.to_owned();
    }
    let mut end = NOTICE_BYTES_MAX - '…'.len_utf8();
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &note[..end])
}

/// A recorder takes two Events that differ in their note alone for the same one, and keeps the first note. So each note has
/// a recorder of its own.
struct Recorders {
    client: Client,
    reporter: Reporter,
    known: VecDeque<(String, Recorder)>,
}

impl Recorders {
    fn of(&mut self, note: &str) -> Recorder {
        if let Some((_, recorder)) = self.known.iter().find(|(known, _)| known == note) {
            return recorder.clone();
        }
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        self.known.push_back((note.to_owned(), recorder.clone()));
        if self.known.len() > EVENT_TEXTS_MAX {
            self.known.pop_front();
        }
        recorder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_an_event() {
        let (events, mut told) = Events::new();
        let publish = |number: usize| {
            let regarding = ObjectReference { name: Some(number.to_string()), ..ObjectReference::default() };
            events.publish(regarding, EventType::Warning, "Reason", "Action", format!("number {number}"));
        };
        (0..EVENTS_MAX + 3).for_each(publish);
        assert_eq!(events.dropped(), 3);
        let first = told.try_recv().unwrap();
        assert_eq!((first.regarding.name.as_deref(), first.event.note.as_deref()), (Some("0"), Some("number 0")));
        publish(1);
        assert_eq!(events.dropped(), 3, "there is room again");
    }

    #[test]
    fn the_same_news_have_the_same_name_and_others_another() {
        let event = |note: &str| Event {
            type_: EventType::Normal,
            reason: "R".into(),
            action: "A".into(),
            note: Some(note.into()),
            secondary: None,
        };
        let regarding = |uid: &str| ObjectReference {
            name: Some(format!("{}-", "s".repeat(NAME_MAX - 1))),
            uid: Some(uid.into()),
            ..ObjectReference::default()
        };
        let class = named(&regarding("u"), event("a class"), "1", "pod").metadata;
        assert_eq!(class.namespace.as_deref(), Some("default"));
        let name = |uid: &str, id: &str| named(&regarding(uid), event(id), id, "pod").metadata.name.unwrap();
        assert_eq!(name("u", "1"), name("u", "1"));
        assert_ne!(name("u", "1"), name("u", "2"));
        assert_ne!(name("u", "1"), name("v", "1"));
        assert!(name("u", "1").len() <= 253 && !name("u", "1").contains("-."), "{}", name("u", "1"));
        let long = named(&regarding("u"), event(&"é".repeat(NOTICE_BYTES_MAX)), "1", "pod").note.unwrap();
        assert!(long.len() <= NOTICE_BYTES_MAX && long.ends_with('…'), "{} bytes", long.len());
    }
}
