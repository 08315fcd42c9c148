//! What people wish: heard whenever it comes, carried out once, and answered.

use super::*;

#[test]
fn a_wish_is_carried_out_once() {
    let mut office = Office::new();
    office.stored.wish = Some(wish("w1", Verb::Pause));
    office.desk.take(&[Arc::new(office.stored.clone())], at(1));
    office.turn(at(2));
    office.turn(at(1_000));
    // A successor sees the same object, wish included.
    office.desk = Desk::new("other");
    office.desk.take(&[Arc::new(office.stored.clone())], at(2_000));
    assert_eq!(office.turn(at(2_001)), 1, "the successor stamps it");
    assert_eq!(office.phase(), Some(Phase::Paused));
    let recent = &office.stored.memory.as_ref().unwrap().record.rollout.as_ref().unwrap().recent;
    assert_eq!(recent.iter().filter(|it| it.action == Action::Pause).count(), 1, "and repeats nothing");
}

#[test]
fn a_wish_that_comes_while_the_object_is_written_is_heard() {
    for refused in [false, true] {
        let mut office = Office::new();
        office.turn(at(0));
        office.desk.read(counted(0, 5, at(30_000)));
        let (_, writes) = office.desk.look(&office.world, &office.served, at(30_001));
        assert_eq!(writes.len(), 1, "evidence");
        let wished = |office: &mut Office| {
            office.stored.wish = Some(wish("w1", Verb::Abort));
            // The watch is faster than the answer to the write.
            office.changes(at(30_002));
        };
        for write in writes {
            if refused {
                wished(&mut office);
                office.told.extend(office.desk.wrote(write, None, at(30_003)));
            } else {
                office.version += 1;
                let version = office.version.to_string();
                office.stored.memory = write.memory.clone().map(Arc::new);
                wished(&mut office);
                office.desk.wrote(write, Some(version), at(30_003));
            }
        }
        assert_eq!(office.turn(at(30_004)), 1, "at once, whatever else happens in the cluster");
        assert_eq!(office.phase(), Some(Phase::Aborted));
    }
}

#[test]
fn what_was_not_written_waits_for_no_proxy() {
    let mut office = Office::new();
    office.turn(at(0));
    office.stored.wish = Some(wish("w1", Verb::Pause));
    office.changes(at(10_000));
    let (outcomes, writes) = office.desk.look(&office.world, &office.served, at(10_001));
    assert_eq!((outcomes.len(), writes.len()), (1, 1));
    for write in writes {
        office.desk.wrote(write, None, at(10_002));
    }
    let look = |office: &mut Office, now| office.desk.look(&office.world, &office.served, now);
    assert_eq!(look(&mut office, at(10_003)).1.len(), 0, "the API server may be away");
    // Somebody had changed it, and that is seen.
    office.changes(at(10_200));
    let (outcomes, writes) = look(&mut office, at(10_201));
    assert_eq!((outcomes.len(), writes.len()), (0, 1), "nothing is decided again, and no proxy is waited for");
    let [write] = &writes[..] else { panic!("one write") };
    assert_eq!(write.status.command.as_ref().map(|command| command.id.as_str()), Some("w1"));
    office.store(write.clone(), at(10_202));
    assert_eq!((office.phase(), look(&mut office, at(10_300)).1.len()), (Some(Phase::Paused), 0));
}

#[test]
fn what_cannot_be_done_is_refused_and_answered() {
    let mut office = Office::new();
    office.turn(at(0));
    let wrong = Wish { id: "w1".into(), command: Err("annotation is wrong".into()) };
    for (id, wish, part) in [("w1", wrong, "annotation is wrong"), ("w2", wish("w2", Verb::Resume), "it is not paused")]
    {
        office.stored.wish = Some(wish);
        office.changes(at(10));
        office.turn(at(u64::from(office.version) * 1_000));
        let answered = office.stored.memory.as_ref().unwrap().answered.clone().unwrap();
        assert!(answered.id == id && answered.refused.as_ref().unwrap().contains(part), "{answered:?}");
    }
}

#[test]
fn decisions_that_people_see_have_an_end() {
    let mut office = Office::new();
    office.turn(at(0));
    for number in 1..=30_u64 {
        let verb = if number % 2 == 1 { Verb::Pause } else { Verb::Resume };
        office.stored.wish = Some(wish(&number.to_string(), verb));
        office.changes(at(number * 1_000));
        office.turn(at(number * 1_000 + 1));
    }
    let decisions = &office.stored.memory.as_ref().unwrap().decisions;
    assert_eq!(decisions.len(), OBJECT_DECISIONS_MAX);
    assert!(decisions.iter().rev().take(2).any(|decision| decision.action == "resume"), "the newest are last");
}

#[test]
fn while_the_api_server_is_away_all_is_looked_at_before_it_is_written() {
    let mut office = Office::new();
    office.turn(at(0));
    office.stored.wish = Some(wish("w1", Verb::Promote { full: false }));
    office.changes(at(10_000));
    for second in [10, 12, 14] {
        office.desk.read(told(0, at(second * 1_000 + 1)));
        let (outcomes, writes) = office.desk.look(&office.world, &office.served, at(second * 1_000 + 2));
        assert_eq!((outcomes.len(), writes.len()), (1, 1), "{second}: what proxies tell now is heard first");
        for write in writes {
            office.desk.wrote(write, None, at(second * 1_000 + 3));
        }
        let (outcomes, writes) = office.desk.look(&office.world, &office.served, at(second * 1_000 + 1_500));
        assert_eq!((outcomes.len(), writes.len()), (0, 0), "{second}: and waited for");
    }
}
