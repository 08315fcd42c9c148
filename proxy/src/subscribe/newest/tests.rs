//! Streams of several replicas, one after the other, and what a proxy makes of them.

use std::collections::BTreeMap;

use tidegate_config::wire::{Acknowledgement, Message, difference};
use tidegate_config::{Config, Key, Share, Split};

use super::*;
use crate::follow::Following;
use crate::subscribe::acknowledge::Spoken;

/// A publication whose one service is at `epoch` and has an endpoint on `port`.
fn publication(generation: u64, epoch: u64, port: u16) -> Arc<Publication> {
    let file = format!(
        "{{listeners: [{{address: '127.0.0.1:1'}}], routes: [{{service: s}}], \
          services: {{s: {{versions: {{v: {{endpoints: ['127.0.0.1:{port}']}}}}}}}}}}"
    );
    let version = "v".parse().unwrap();
    let arms = Split::lay_out(&[], &version, [], Share::ZERO, |_| Share::ZERO);
    let split = Split::fixed(epoch, Key([0; 16]), arms, version);
    let splits = BTreeMap::from([("s".parse().unwrap(), split)]);
    let config = Arc::new(Config::parse(&file).unwrap());
    Arc::new(Publication { generation, cookie_key: Key([0; 16]), config, splits })
}

fn nothing() -> Arc<Publication> {
    let publication = Publication::clone(&publication(0, 0, 1));
    Arc::new(Publication { splits: BTreeMap::new(), ..publication })
}

fn kept(generation: u64, epoch: u64) -> Publication {
    Publication::clone(&publication(generation, epoch, 80))
}

/// Our generation, the epoch and whether the receiver was told of anything.
fn seen(receiver: &mut watch::Receiver<Arc<Publication>>) -> (u64, u64, bool) {
    let told = receiver.has_changed().unwrap();
    let publication = receiver.borrow_and_update();
    (publication.generation, publication.splits.values().next().map_or(0, |split| split.epoch), told)
}

#[test]
fn numbers_and_epochs_only_rise() {
    let (newest, mut receiver) = Newest::new(nothing(), None);
    let mut one = Position::default();
    for (generation, epoch, expected) in [(40, 3, (40, 3, true)), (41, 4, (41, 4, true)), (43, 4, (43, 4, true))] {
        newest.offer(&publication(generation, epoch, 80), &mut one).unwrap();
        assert_eq!(seen(&mut receiver), expected);
    }
    // Another replica, which counts from elsewhere and has not heard of epoch 4.
    let mut two = Position::default();
    newest.offer(&publication(7, 3, 81), &mut two).unwrap();
    assert_eq!(seen(&mut receiver), (44, 4, true));
    newest.offer(&publication(9, 5, 81), &mut two).unwrap();
    assert_eq!(seen(&mut receiver), (46, 5, true));
    assert_eq!((two.generation(43), two.generation(44), two.generation(46)), (None, Some(7), Some(9)));
    // The same again with nothing new, and one that is ahead.
    let mut three = Position::default();
    newest.offer(&publication(9, 5, 81), &mut three).unwrap();
    assert_eq!(seen(&mut receiver), (46, 5, false));
    assert_eq!(three.generation(46), Some(9), "what is in force can be acknowledged at once");
    newest.offer(&publication(10, 5, 82), &mut three).unwrap();
    assert_eq!(seen(&mut receiver), (47, 5, true));
    newest.offer(&publication(100, 5, 82), &mut Position::default()).unwrap();
    assert_eq!(seen(&mut receiver), (100, 5, true), "numbers are the controller's where they can be");
}

#[test]
fn what_was_kept_stands_in_once_and_its_epochs_hold() {
    let (newest, mut receiver) = Newest::new(nothing(), Some(kept(12, 5)));
    assert!(newest.stand_in());
    assert_eq!(seen(&mut receiver), (12, 5, true));
    assert!(!newest.stand_in());
    newest.offer(&publication(3, 4, 81), &mut Position::default()).unwrap();
    assert_eq!(seen(&mut receiver), (13, 5, true));

    let (newest, mut receiver) = Newest::new(nothing(), Some(kept(12, 5)));
    newest.offer(&publication(3, 4, 81), &mut Position::default()).unwrap();
    assert_eq!(seen(&mut receiver), (13, 5, true), "also where it was not needed");
    assert!(!newest.stand_in());

    let (newest, mut receiver) = Newest::new(nothing(), Some(kept(12, 5)));
    newest.offer(&publication(12, 5, 80), &mut Position::default()).unwrap();
    assert_eq!(seen(&mut receiver), (13, 5, true), "what is on disk is not in force");

    let (newest, _receiver) = Newest::new(nothing(), None);
    assert!(!newest.stand_in());
}

#[test]
fn a_publication_that_cannot_be_served_is_not_handed_over() {
    let (newest, mut receiver) = Newest::new(nothing(), None);
    let (mut position, mut spoken) = (Position::default(), Spoken::default());
    newest.offer(&publication(1, 1, 80), &mut position).unwrap();
    seen(&mut receiver);
    let mut bad = Publication::clone(&publication(2, 2, 80));
    bad.splits.values_mut().for_each(|split| split.arms.clear());
    spoken.refused = newest.offer(&Arc::new(bad), &mut position).err();
    assert!(!seen(&mut receiver).2);
    let following = Following { in_force: 1, newest: 1, ..Following::default() };
    let due = spoken.due(&following, &position).unwrap();
    assert_eq!(due.generation, 2);
    assert!(due.refused.as_ref().unwrap().contains("splits.s.arms"));
    (spoken.last, spoken.refused) = (Some(due), None);
    assert_eq!(spoken.due(&following, &position), None, "not back to what was said before");
}

#[test]
fn only_what_is_new_is_said() {
    let (newest, _receiver) = Newest::new(nothing(), Some(kept(12, 5)));
    let (mut position, mut spoken) = (Position::default(), Spoken::default());
    newest.offer(&publication(3, 6, 80), &mut position).unwrap();
    let following = |in_force, newest, problem: Option<&str>| Following {
        in_force,
        newest,
        problem: problem.map(str::to_owned),
        names: Vec::new(),
    };
    let long = "ü".repeat(9_999);
    for (in_force, latest, problem, expected) in [
        (12, 13, None, None),
        (12, 13, Some("taken"), Some((3, Some("taken")))),
        (12, 13, Some("taken"), None),
        (13, 13, None, Some((3, None))),
        (13, 13, None, None),
        (13, 15, None, None),
        (15, 15, None, Some((5, None))),
        (15, 16, Some(&*long), Some((6, Some(&long[..limits_of_a_reason()])))),
    ] {
        let due = spoken.due(&following(in_force, latest, problem), &position);
        let told = due.as_ref().map(|due| (due.generation, due.refused.as_deref()));
        assert_eq!(told, expected, "{in_force} of {latest}");
        assert!(due.as_ref().is_none_or(|due| due.body().unwrap().len() < 4_096));
        spoken.last = due.or(spoken.last);
    }
}

fn limits_of_a_reason() -> usize {
    tidegate_config::limits::ACKNOWLEDGEMENT_BYTES_MAX / 8
}

#[test]
fn a_stream_has_an_order() {
    let (one, two) = (publication(1, 1, 80), publication(2, 1, 81));
    let whole = |it: &Arc<Publication>| Message::Publication(Arc::clone(it)).line().unwrap();
    let change = Message::Change(Box::new(difference(&one, &two))).line().unwrap();
    for (lines, expected) in [
        (vec![whole(&one), b"{}".to_vec(), change.clone()], Ok(Some(2))),
        (vec![b"{}".to_vec()], Ok(None)),
        (vec![change.clone()], Err("a change before a publication")),
        (vec![whole(&one), whole(&two)], Err("a second whole publication")),
        (vec![whole(&two), change.clone()], Err("does not fit")),
        (vec![whole(&one), b"{\"change\": 1}".to_vec()], Err("cannot be read")),
    ] {
        let mut position = Position::default();
        let mut last = Ok(None);
        for line in lines {
            last = position.read(&line);
        }
        match (last, expected) {
            (Ok(received), Ok(generation)) => assert_eq!(received.map(|it| it.generation), generation),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (last, expected) => panic!("{last:?} instead of {expected:?}"),
        }
    }
    let said = Acknowledgement { generation: 1, refused: None }.body().unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), "{\"generation\":1}");
}
