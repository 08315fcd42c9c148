//! `get`: rollouts in lines.

use clap::ValueEnum;
use tidegate_controller::clock::Clock;
use tidegate_terminal::Exit;
use tidegate_terminal::output::{self, Format};

use crate::CommandError;
use crate::cluster::Cluster;
use crate::row::{Columns, PAINT, Row};
use crate::table::Table;
use crate::wanted::Wanted;
use crate::watch::{Change, Watch};

/// How rollouts are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Layout {
    /// A line each
    #[default]
    Text,
    /// A line each, with everything
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Prints rows below each other.
struct Lines {
    columns: Columns,
    table: Table,
    format: Option<Format>,
}

/// `kubectl tidegate get`.
pub(crate) async fn get(
    cluster: &Cluster,
    wanted: Option<&Wanted>,
    everywhere: bool,
    watch: bool,
    layout: Layout,
) -> Result<Exit, CommandError> {
    let format = match layout {
        Layout::Text | Layout::Wide => None,
        Layout::Json => Some(Format::Json),
        Layout::Yaml => Some(Format::Yaml),
    };
    let columns = Columns { namespace: everywhere, wide: layout == Layout::Wide };
    let mut lines = Lines { columns, table: Table::default(), format };
    let one = match wanted {
        Some(wanted) => Some(cluster.find(wanted).await?),
        None => None,
    };
    if watch {
        let changes = match &one {
            Some(object) => Watch::one(cluster, object),
            None => Watch::all(cluster, everywhere),
        };
        return lines.follow(changes).await;
    }
    if let Some(object) = one {
        lines.show_one(&Row::of(&object))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = cluster.list(everywhere).await?.iter().map(Row::of).collect();
    if rows.is_empty() && format.is_none() {
        let place = if everywhere { "any namespace" } else { &cluster.namespace };
        output::note(&format!("no Rollout is in {place}; the annotation tidegate.dev/strategy of a Service makes one"));
        return Ok(Exit::Done);
    }
    lines.show_all(&rows)?;
    Ok(Exit::Done)
}

impl Lines {
    /// Goes on for ever: what is there, then a line for each change that a line shows.
    async fn follow(mut self, mut changes: Watch) -> Result<Exit, CommandError> {
        let mut known: Vec<Row> = Vec::new();
        let mut begun = false;
        self.table.expect(&Row::longest(self.columns));
        loop {
            match changes.next().await? {
                Change::There(object) => {
                    let row = Row::of(&object);
                    if known.contains(&row) {
                        continue;
                    }
                    known.retain(|other| !other.is_of(&row));
                    if begun {
                        self.show_one(&row)?;
                    }
                    known.push(row);
                }
                Change::Complete if !begun => {
                    begun = true;
                    if self.format.is_none() {
                        self.show_all(&known)?;
                    } else {
                        known.iter().try_for_each(|row| self.show_one(row))?;
                    }
                }
                Change::Complete | Change::Gone => {}
            }
        }
    }

    fn show_one(&mut self, row: &Row) -> Result<(), CommandError> {
        match self.format {
            Some(format) => Ok(output::show(row, format, |_| String::new())?),
            None => self.show_all(std::slice::from_ref(row)),
        }
    }

    fn show_all(&mut self, rows: &[Row]) -> Result<(), CommandError> {
        if let Some(format) = self.format {
            return Ok(output::show(&rows, format, |_| String::new())?);
        }
        let now = Clock::System.now();
        let heads = self.table.is_empty().then(|| Row::heads(self.columns));
        let cells = rows.iter().map(|row| row.cells(self.columns, now));
        let all: Vec<_> = heads.into_iter().chain(cells).collect();
        let paint = output::colours().then_some(PAINT);
        Ok(output::print(&self.table.lines(&all, paint))?)
    }
}
