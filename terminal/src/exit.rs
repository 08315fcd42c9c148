//! How a command ends, for scripts.

use std::process::ExitCode;

use tidegate_controller::engine::Phase;
use tidegate_controller::view::ServiceView;

/// The exit codes, for `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; of a rollout: promoted
  1  something failed
  2  the command line is wrong
  3  the rollout was rolled back
  4  the rollout is not decided";

/// The exit codes; [`EXIT_CODES`] repeats them for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; of a rollout: promoted.
    Done,
    /// 1: something failed.
    Error,
    /// 3: the rollout was rolled back.
    RolledBack,
    /// 4: the rollout is not decided.
    Undecided,
}

impl Exit {
    /// The code. 2 is clap's: the command line itself is wrong.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::RolledBack => 3,
            Self::Undecided => 4,
        }
    }

    /// How the rollout of a service came out; `None` while it may still move by itself. At its deadline it does not.
    pub fn of(view: &ServiceView) -> Option<Self> {
        let Some(report) = &view.rollout else { return Some(Self::Done) };
        match report.phase {
            Phase::Progressing | Phase::Paused | Phase::Standby | Phase::Recreating => None,
            over @ (Phase::Undecided | Phase::Promoted | Phase::Aborted) => Some(over.into()),
        }
    }
}

impl From<Phase> for Exit {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Promoted => Self::Done,
            Phase::Aborted => Self::RolledBack,
            Phase::Progressing | Phase::Paused | Phase::Undecided | Phase::Standby | Phase::Recreating => {
                Self::Undecided
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
