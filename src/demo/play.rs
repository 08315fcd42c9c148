//! The demo from the first visitor to the last decision.

use std::io;
use std::time::Duration;

use tidegate_controller::engine::Phase;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::DemoError;
use super::crowd::Crowd;
use super::display::{Display, Wish};
use super::moment::{Moment, Recent, Setting};
use super::shop::Shop;
use super::verdict::Ending;
use crate::instance::Instance;

/// Between two moments.
const TICK: Duration = Duration::from_millis(250);
/// The demo ends after this, whatever is still open.
const LONGEST: Duration = Duration::from_secs(117);
/// How long the last decision may take to come into force.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(2);
/// How long the live view goes on after the last decision, so that what comes of it can be seen.
const CURTAIN: Duration = Duration::from_secs(3);

/// What plays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// The two versions.
    pub(crate) shop: &'a Shop,
    /// The proxy and the controller.
    pub(crate) instance: &'a Instance,
    /// The visitors.
    pub(crate) crowd: &'a Crowd,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Played {
    /// The last moment.
    pub(crate) moment: Moment,
    /// Why it was the last.
    pub(crate) ending: Ending,
}

/// Wishes of the system that the demo should end.
#[derive(Debug)]
pub(crate) struct Signals([Signal; 3]);

impl Signals {
    /// From now on they end nothing by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        let listen = |kind: SignalKind| signal(kind);
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Plays until there is a decision, time is up, or somebody wants it to end.
pub(crate) async fn play(
    parts: Parts<'_>,
    setting: Setting,
    display: &mut Display,
    signals: &mut Signals,
) -> Result<Played, DemoError> {
    let began = Instant::now();
    let mut recent = Recent::default();
    let mut decided = None;
    let curtain = if display.is_live() { CURTAIN } else { Duration::ZERO };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopped = tokio::select! {
            biased;
            () = signals.any() => true,
            _ = tick.tick() => false,
        };
        parts.are_well()?;
        let overview = parts.instance.handle().overview().await.map_err(|_| DemoError::Lost("the controller"))?;
        let (elapsed, seen) = (began.elapsed(), parts.crowd.seen());
        let rates = recent.rates(elapsed, &seen);
        let moment = Moment::of(setting, elapsed, overview, seen, rates);
        let wish = match display.show(&moment) {
            // The reader has gone away, and with it the reason to go on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Wish::End,
            shown => shown.map_err(DemoError::Output)?,
        };
        if has_decided(&moment) {
            decided.get_or_insert(elapsed);
        }
        let ending = match wish {
            Wish::Panicked => return Err(DemoError::Lost("a thread")),
            Wish::End => Some(stop(decided)),
            Wish::GoOn if stopped => Some(stop(decided)),
            Wish::GoOn => ending(&moment, decided, curtain),
        };
        if let Some(ending) = ending {
            return Ok(Played { moment, ending });
        }
    }
}

fn has_decided(moment: &Moment) -> bool {
    moment.report.as_ref().is_some_and(|report| report.phase.is_over() || report.phase == Phase::Undecided)
}

/// Whoever ends a demo that has its decision stops nothing.
fn stop(decided: Option<Duration>) -> Ending {
    if decided.is_some() { Ending::Decided } else { Ending::Stopped }
}

/// A decision is waited for until it is in force, and watched for a while.
fn ending(moment: &Moment, decided: Option<Duration>, curtain: Duration) -> Option<Ending> {
    let Some(at) = decided else {
        return (moment.elapsed >= LONGEST).then_some(Ending::TimeUp);
    };
    let settled = moment.is_in_force() || moment.elapsed >= at + ACKNOWLEDGED_WITHIN;
    (settled && moment.elapsed >= at + curtain).then_some(Ending::Decided)
}

impl Parts<'_> {
    fn are_well(&self) -> Result<(), DemoError> {
        let ended = [("the shop", self.shop.has_ended()), ("the crowd", self.crowd.has_ended())];
        ended.iter().find(|(_, ended)| *ended).map_or(Ok(()), |(name, _)| Err(DemoError::Lost(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn ends_by_itself() {
        let moment = sample::moment();
        let late = Moment { elapsed: LONGEST, ..moment.clone() };
        let waiting = Moment { published: 9, ..moment.clone() };
        let since = Some(moment.elapsed);
        let at_once = Duration::ZERO;
        assert_eq!(ending(&moment, None, at_once), None, "nothing decided");
        assert_eq!(ending(&late, None, at_once), Some(Ending::TimeUp));
        assert_eq!(ending(&moment, since, at_once), Some(Ending::Decided));
        assert_eq!(ending(&waiting, since, at_once), None, "the last share is not in force");
        let waited = Moment { elapsed: moment.elapsed + ACKNOWLEDGED_WITHIN, ..waiting };
        assert_eq!(ending(&waited, since, at_once), Some(Ending::Decided));
        assert_eq!(ending(&moment, since, CURTAIN), None, "somebody watches");
        let watched = Moment { elapsed: moment.elapsed + CURTAIN, ..moment };
        assert_eq!(ending(&watched, since, CURTAIN), Some(Ending::Decided));
    }
}
