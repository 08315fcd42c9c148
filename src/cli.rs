//! What may be written after `tidegate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tidegate::demo::{self, DemoOptions};
use tidegate::inject::{self, InjectOptions};
use tidegate::operate::{self, Meant, Shown, Target, Verb};
use tidegate::output::Format;
use tidegate::{CommandError, Exit, check, run};
use tidegate_config::Name;
use tidegate_terminal::EXIT_CODES;

/// Splits HTTP traffic between the versions of a service and shifts it on evidence.
#[derive(Debug, Parser)]
#[command(version, after_help = format!("{AFTER_HELP}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  tidegate demo                          watch a rollout from end to end, on this machine alone
  tidegate run -c tidegate.yaml          proxy and controller, until SIGTERM
  tidegate status --watch                the rollouts of the running instance
  tidegate abort shop                    all visitors back to the stable version";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy and the controller for a configuration file
    #[command(
        after_help = "Examples:\n  tidegate run -c tidegate.yaml\n  tidegate run -c tidegate.yaml --state-dir /var/lib/tidegate\n\nThe file is watched. SIGTERM and SIGINT let requests end (timeouts.drain), a second one cuts them. With --leave it goes on for so long before; one more signal ends that. SIGHUP does nothing."
    )]
    Run {
        /// The configuration
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Seconds after SIGTERM in which it still takes clients, while /readyz is 503 and HTTP/1.1 responses end their
        /// connections: as long as it takes until whoever chooses between instances has left this one out
        #[arg(
            long,
            env = "TIDEGATE_LEAVE",
            value_name = "SECONDS",
            default_value_t = 0,
            value_parser = clap::value_parser!(u64).range(0..=3600)
        )]
        leave: u64,
        #[command(flatten)]
        target: Target,
    },
    #[command(after_help = demo::EXAMPLES)]
    Demo(DemoOptions),
    /// Say what is wrong with a configuration file
    #[command(
        after_help = "Examples:\n  tidegate check -c tidegate.yaml\n  tidegate check -c tidegate.yaml -o yaml    with every default filled in"
    )]
    Check {
        /// The configuration
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Print the configuration with every default filled in
        #[arg(short, long, value_enum)]
        output: Option<Format>,
    },
    /// Show services and rollouts of the running instance
    #[command(
        after_help = "Examples:\n  tidegate status\n  tidegate status shop -o json\n  tidegate status shop --watch    until its rollout ends; exits 0, 3 or 4"
    )]
    Status {
        /// One service; all without it
        service: Option<Name>,
        /// Go on showing it; with a service until its rollout ends
        #[arg(short, long)]
        watch: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Tell why a rollout is where it is, decision by decision
    #[command(after_help = "Examples:\n  tidegate explain shop\n  tidegate explain shop -o json")]
    Explain {
        /// The service
        service: Name,
        #[command(flatten)]
        shown: Shown,
    },
    /// On to the next step now, whatever it waits for
    #[command(
        after_help = "Examples:\n  tidegate promote shop\n  tidegate promote shop --full    all visitors to the canary now\n  tidegate promote shop --version v3    of several that are tried"
    )]
    Promote {
        /// All the way to 100%
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        meant: Meant,
    },
    /// All visitors back to the stable version, for good
    #[command(after_help = "Example:\n  tidegate abort shop")]
    Abort(Meant),
    /// Hold the share where it is; an abort on evidence stays armed
    #[command(after_help = "Example:\n  tidegate pause shop")]
    Pause(Meant),
    /// Go on after a pause
    #[command(after_help = "Example:\n  tidegate resume shop")]
    Resume(Meant),
    #[command(after_help = inject::EXAMPLES)]
    Inject(Box<InjectOptions>),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  tidegate completions bash > /etc/bash_completion.d/tidegate")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Cli {
    /// Carries the command out.
    pub(crate) fn run(self) -> Result<Exit, CommandError> {
        match self.command {
            Command::Run { config, leave, target } => run::run(&config, &target.state_dir, Duration::from_secs(leave)),
            Command::Demo(options) => Ok(demo::run(&options)?),
            Command::Check { config, output } => check::check(&config, output),
            Command::Status { service, watch, shown } => {
                operate::status(&shown.target, service.as_ref(), watch, shown.output)
            }
            Command::Explain { service, shown } => operate::explain(&shown.target, &service, shown.output),
            Command::Promote { full, meant } => operate::command(&meant, Verb::Promote { full }),
            Command::Abort(meant) => operate::command(&meant, Verb::Abort),
            Command::Pause(meant) => operate::command(&meant, Verb::Pause),
            Command::Resume(meant) => operate::command(&meant, Verb::Resume),
            Command::Inject(options) => inject::inject(&options),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "tidegate", &mut std::io::stdout());
                Ok(Exit::Done)
            }
        }
    }
}
