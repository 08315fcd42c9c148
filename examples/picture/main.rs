//! Makes the picture in the README from recorded rollouts.
//!
//! Record one while it runs: `tidegate status shop --watch -o json > good.json`. Then, with one title for each:
//! `cargo run --example picture -- "A good canary" good.json "A bad canary" bad.json`. That writes `docs/rollout.json`,
//! what is kept of the recordings, and `docs/rollout.svg`, which is drawn from it.

mod draw;
mod recording;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use recording::{Recording, Run};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (pairs, []) = arguments.as_chunks::<2>() else {
        return Err("give a title and a file for each rollout".into());
    };
    let read = |[title, file]: &[String; 2]| -> Result<Run, Box<dyn Error>> {
        Run::of(title, &fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?)
    };
    let recording = Recording { runs: pairs.iter().map(read).collect::<Result<_, _>>()? };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::write(docs.join("rollout.json"), recording.to_json()?)?;
    fs::write(docs.join("rollout.svg"), draw::draw(&recording))?;
    Ok(())
}
