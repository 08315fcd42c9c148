//! The proxies that are compared, and how each is installed, configured and started.

mod envoy;
mod haproxy;
mod nginx;
mod tidegate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::backend::Versions;
use super::options::{Options, Protocol};
use super::scenario::Scenario;
use super::{Failure, Result};

/// A proxy under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Peer {
    /// The one all ratios are against.
    Haproxy,
    /// nginx.
    Nginx,
    /// Envoy.
    Envoy,
    /// This project.
    Tidegate,
}

/// What differs between the proxies, as data.
struct Spec {
    name: &'static str,
    install: &'static str,
    /// The argument that makes it print its version.
    version: &'static str,
    /// How the 100 routes are made sticky, in words.
    stickiness: &'static str,
    /// The name of its main configuration file.
    main: &'static str,
    bare: &'static str,
    sticky: &'static str,
    /// The name of the file that holds the routes, if that is not the main one.
    routes_file: Option<&'static str>,
    routes: fn() -> String,
    /// What `@h2@` stands for where HTTP/2 must be asked for.
    h2: &'static str,
    /// The arguments that run it in the foreground, given its directory and its main file.
    arguments: fn(&str, &str) -> Vec<String>,
}

impl Peer {
    fn spec(self) -> &'static Spec {
        match self {
            Self::Haproxy => &haproxy::SPEC,
            Self::Nginx => &nginx::SPEC,
            Self::Envoy => &envoy::SPEC,
            Self::Tidegate => &tidegate::SPEC,
        }
    }

    /// Its name, as its command is called.
    pub(crate) fn name(self) -> &'static str {
        self.spec().name
    }

    /// How to install it.
    pub(crate) fn install(self) -> &'static str {
        self.spec().install
    }

    /// How it keeps a visitor on a version here.
    pub(crate) fn stickiness(self) -> &'static str {
        self.spec().stickiness
    }
}

/// A proxy that is installed on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) peer: Peer,
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

impl Installed {
    /// Asks the program for its version; an error says how to install it.
    pub(crate) async fn find(peer: Peer, options: &Options) -> Result<Self> {
        let given = match peer {
            Peer::Haproxy => options.haproxy.clone(),
            Peer::Nginx => options.nginx.clone(),
            Peer::Envoy => options.envoy.clone(),
            Peer::Tidegate => Some(options.tidegate.clone().unwrap_or_else(tidegate::just_built)),
        };
        let program = given.unwrap_or_else(|| PathBuf::from(peer.name()));
        let said = tokio::process::Command::new(&program).arg(peer.spec().version).output().await.map_err(|error| {
            Failure::from(format!("{} does not run ({error}); {}", program.display(), peer.install()))
        })?;
        let text = [said.stdout, said.stderr].concat();
        Ok(Self { peer, program, version: version_in(&String::from_utf8_lossy(&text)).unwrap_or("?").to_owned() })
    }

    /// Name and version.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.peer.name(), self.version)
    }

    /// Writes its configuration into `directory` and returns the arguments to start it with.
    pub(crate) fn configure(&self, directory: &Path, place: &Place) -> Result<Vec<String>> {
        let spec = self.peer.spec();
        let main = directory.join(spec.main).display().to_string();
        std::fs::write(&main, spec.render(directory, place)?)?;
        if let Some(file) = spec.routes_file {
            std::fs::write(directory.join(file), (spec.routes)())?;
        }
        Ok((spec.arguments)(&directory.display().to_string(), &main))
    }
}

/// Where a proxy stands in one cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) scenario: Scenario,
    pub(crate) protocol: Protocol,
    pub(crate) listen: SocketAddr,
    /// A second free address, for a proxy that needs one.
    pub(crate) admin: SocketAddr,
    pub(crate) versions: Versions,
}

impl Spec {
    /// Its main configuration file, with every placeholder replaced.
    fn render(&self, directory: &Path, place: &Place) -> Result<String> {
        let template = if place.scenario.is_sticky() { self.sticky } else { self.bare };
        let Versions { v1, v2 } = place.versions;
        let h2 = if place.protocol == Protocol::H2 { self.h2 } else { "" };
        let text = template
            .replace("@routes@", &(self.routes)())
            .replace("@directory@", &directory.display().to_string())
            .replace("@listen@", &place.listen.to_string())
            .replace("@listen_port@", &place.listen.port().to_string())
            .replace("@admin@", &place.admin.to_string())
            .replace("@v1@", &v1.to_string())
            .replace("@v1_port@", &v1.port().to_string())
            .replace("@v2@", &v2.to_string())
            .replace("@v2_port@", &v2.port().to_string())
            .replace("@h2@", h2);
        match text.lines().find(|line| line.contains('@')) {
            None => Ok(text),
            Some(line) => Err(format!("{}: an unknown placeholder in {line:?}", self.name).into()),
        }
    }
}

/// The first number of at least two parts that is a word, or part of one between slashes as in
/// `nginx/1.22.1`; a word that starts with a slash is a path.
fn version_in(text: &str) -> Option<&str> {
    text.split_whitespace()
        .filter(|word| !word.starts_with('/'))
        .flat_map(|word| word.split('/'))
        .map(|part| part.split(['-', '+']).next().unwrap_or(part))
        .find(|part| part.starts_with(|c: char| c.is_ascii_digit()) && part.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(scenario: Scenario, protocol: Protocol) -> Place {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let versions = Versions { v1: address(1), v2: address(2) };
        Place { scenario, protocol, listen: address(3), admin: address(4), versions }
    }

    #[test]
    fn our_own_configuration_is_valid() {
        for (scenario, routes) in [(Scenario::Bare, 1), (Scenario::New, 100)] {
            let text = tidegate::SPEC.render(Path::new("/d"), &place(scenario, Protocol::H1)).unwrap();
            let config = tidegate_config::Config::parse(&text);
            assert_eq!(config.map(|config| config.routes.len()), Ok(routes), "{text}");
        }
    }

    #[test]
    fn every_placeholder_is_known() {
        for peer in Peer::value_variants() {
            for scenario in Scenario::ALL {
                for protocol in [Protocol::H1, Protocol::H2] {
                    let rendered = peer.spec().render(Path::new("/d"), &place(scenario, protocol));
                    assert!(rendered.is_ok(), "{peer:?} {scenario:?} {protocol:?}: {rendered:?}");
                }
            }
        }
    }

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let rows = [
            ("nginx version: nginx/1.22.1\n", Some("1.22.1")),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n", Some("2.6.12")),
            ("\n/x/3.11.7/bin/envoy  version: 9e5580/1.40.0/Clean/RELEASE/BoringSSL\n", Some("1.40.0")),
            ("tidegate 0.1.0\n", Some("0.1.0")),
            ("", None),
        ];
        for (text, version) in rows {
            assert_eq!(version_in(text), version, "{text:?}");
        }
    }
}
