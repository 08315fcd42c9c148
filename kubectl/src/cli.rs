//! What may be written after `kubectl tidegate`.

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tidegate_config::{Name, Span};
use tidegate_controller::engine::Verb;
use tidegate_terminal::output::Format;
use tidegate_terminal::{EXIT_CODES, Exit};

use crate::cluster::Cluster;
use crate::connect::Target;
use crate::failure::Failure;
use crate::list::{Layout, get};
use crate::report;
use crate::steer::steer;
use crate::wanted::Wanted;
use crate::{CommandError, seen};

/// Watches and steers the rollouts of a cluster, with your own credentials.
#[derive(Debug, Parser)]
#[command(name = "kubectl-tidegate", bin_name = "kubectl tidegate", version, after_help = format!("{AFTER_HELP}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  kubectl tidegate get -A                  the rollouts of all namespaces
  kubectl tidegate status shop             one of them in full
  kubectl tidegate status shop --wait      until it is over
  kubectl tidegate abort shop              all visitors back to the stable version

A rollout is named as NAME, rollout/NAME or svc/NAME.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List rollouts, a line each
    #[command(
        after_help = "Examples:\n  kubectl tidegate get\n  kubectl tidegate get -A -o wide\n  kubectl tidegate get shop -w    a line for every change, until you end it"
    )]
    Get {
        /// One rollout; all of the namespace without it
        rollout: Option<Wanted>,
        /// Of all namespaces
        #[arg(short = 'A', long, conflicts_with_all = ["rollout", "namespace"])]
        all_namespaces: bool,
        /// Go on with a line for every change
        #[arg(short, long)]
        watch: bool,
        /// How to print
        #[arg(short, long, value_enum, default_value_t)]
        output: Layout,
    },
    /// Show one rollout in full
    #[command(
        after_help = "Examples:\n  kubectl tidegate status shop\n  kubectl tidegate status shop --wait                  exits 0 promoted, 3 rolled back, 4 undecided\n  kubectl tidegate status shop --wait --timeout 30m    4 also where it is not over by then"
    )]
    Status {
        #[command(flatten)]
        one: One,
        /// Go on until it is over
        #[arg(short, long, visible_alias = "watch")]
        wait: bool,
        /// Longest wait
        #[arg(long, value_name = "DURATION", requires = "wait")]
        timeout: Option<Span>,
    },
    /// Tell why a rollout is where it is, decision by decision
    #[command(after_help = "Examples:\n  kubectl tidegate explain shop\n  kubectl tidegate explain svc/shop -o json")]
    Explain(One),
    /// List the last decisions, also of rollouts before
    #[command(after_help = "Example:\n  kubectl tidegate history shop")]
    History(One),
    /// On to the next step now, whatever it waits for
    #[command(
        after_help = "Examples:\n  kubectl tidegate promote shop\n  kubectl tidegate promote shop --full    all visitors to the canary now\n  kubectl tidegate promote shop --version b    of several that are tried"
    )]
    Promote {
        /// All the way to 100%
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        order: Order,
    },
    /// All visitors back to the stable version, for good
    #[command(after_help = "Example:\n  kubectl tidegate abort shop")]
    Abort(Order),
    /// Hold the share where it is; an abort on evidence stays armed
    #[command(after_help = "Example:\n  kubectl tidegate pause shop")]
    Pause(Order),
    /// Go on after a pause
    #[command(after_help = "Example:\n  kubectl tidegate resume shop")]
    Resume(Order),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  kubectl tidegate completions bash > /etc/bash_completion.d/kubectl-tidegate")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
struct One {
    /// The rollout
    rollout: Wanted,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
struct Order {
    #[command(flatten)]
    one: One,
    /// Which of several versions that are tried; without it all of them
    #[arg(long)]
    version: Option<Name>,
    /// Longest wait for a controller to carry it out
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    timeout: Span,
}

impl Cli {
    /// Carries the command out.
    pub(crate) async fn run(self) -> Result<Exit, CommandError> {
        if let Command::Completions { shell } = self.command {
            clap_complete::generate(shell, &mut Self::command(), "kubectl-tidegate", &mut std::io::stdout());
            return Ok(Exit::Done);
        }
        let cluster = Cluster::connect(&self.target).await?;
        match self.command {
            Command::Get { rollout, all_namespaces, watch, output } => {
                get(&cluster, rollout.as_ref(), all_namespaces, watch, output).await
            }
            Command::Status { one, wait: false, timeout: _ } => {
                report::status(&cluster, &one.rollout, one.output).await
            }
            Command::Status { one, wait: true, timeout } => {
                report::wait(&cluster, &one.rollout, timeout, one.output).await
            }
            Command::Explain(one) => report::explain(&cluster, &one.rollout, one.output).await,
            Command::History(one) => report::history(&cluster, &one.rollout, one.output).await,
            Command::Promote { full, order } => order.carry_out(&cluster, Verb::Promote { full }).await,
            Command::Abort(order) => order.carry_out(&cluster, Verb::Abort).await,
            Command::Pause(order) => order.carry_out(&cluster, Verb::Pause).await,
            Command::Resume(order) => order.carry_out(&cluster, Verb::Resume).await,
            Command::Completions { .. } => Ok(Exit::Done),
        }
    }
}

impl Order {
    async fn carry_out(&self, cluster: &Cluster, verb: Verb) -> Result<Exit, CommandError> {
        let object = steer(cluster, &self.one.rollout, verb, self.version.as_ref(), self.timeout).await?;
        match report::show(&object, self.one.output) {
            Err(error) if error.downcast_ref().is_some_and(Failure::is_unreadable) => {
                tidegate_terminal::output::note(&format!("{verb} {}: done; {error}", seen::name(&object)));
                Ok(Exit::Done)
            }
            shown => shown.map(|()| Exit::Done),
        }
    }
}
