//! The certificates that a configuration file names: read together with it, so that nobody else needs their files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tidegate_config::limits::CERTIFICATE_BYTES_MAX;
use tidegate_config::{Config, Problems};

/// Puts what is in the files of certificates into the configuration. `file` is where the configuration is from: paths that
/// are not absolute begin at its directory.
pub fn load(file: &Path, config: Config) -> Result<Config, Problems> {
    let directory = file.parent().unwrap_or(Path::new(""));
    config.load_certificates(&|path| read(&directory.join(path)))
}

fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| error.to_string())?;
    // One byte more than may be there, so that what is too long is told so.
    let read = opened.take(CERTIFICATE_BYTES_MAX as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    Ok(text)
}
