//! Events of objects (`events.k8s.io/v1`): what people see with `kubectl describe`. They are for the eye alone: nobody waits
//! for one, and one that cannot be written is dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tidegate_config::limits::{EVENT_SECONDS, EVENT_TEXTS_MAX, EVENTS_MAX};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Who we are in Events (`reportingController`).
const CONTROLLER: &str = "tidegate.dev/controller";

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
}

impl Events {
    /// A place for Events, and where [`write`] takes them from.
    pub fn new() -> (Self, mpsc::Receiver<Told>) {
        let (waiting, told) = mpsc::channel(EVENTS_MAX);
        (Self { waiting, dropped: Arc::default() }, told)
    }

    /// Tells of `regarding` that `action` was taken or not, for `reason`, both in one word; `note` is for people. Never
    /// waits: where too many wait already it is dropped.
    pub fn publish(&self, regarding: ObjectReference, type_: EventType, reason: &str, action: &str, note: String) {
        let (reason, action) = (reason.to_owned(), action.to_owned());
        let event = Event { type_, reason, action, note: Some(note), secondary: None };
        if self.waiting.try_send(Told { regarding, event }).is_err() {
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
    let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(instance) };
    let mut recorders = Recorders { client, reporter, known: VecDeque::new() };
    let mut trouble = None;
    while let Some(Told { regarding, event }) = told.recv().await {
        let recorder = recorders.of(event.note.as_deref().unwrap_or_default());
        let written = timeout(Duration::from_secs(EVENT_SECONDS.into()), recorder.publish(&event, &regarding)).await;
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
}
