//! The images: what `deploy/Dockerfile` says is what `tests/cluster/images` makes, and what the chart asks for.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::sources::{root, text};

/// A stage of a Dockerfile.
struct Stage {
    name: String,
    /// What it is made from.
    from: String,
    instructions: Vec<Instruction>,
}

/// An instruction and what follows it.
type Instruction = (String, String);

fn stages(dockerfile: &str) -> Vec<Stage> {
    let joined = dockerfile.replace("\\\n", " ");
    let mut stages: Vec<Stage> = Vec::new();
    for line in joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (instruction, rest) = line.split_once(' ').unwrap();
        match (instruction, rest.split_once(" AS "), stages.last_mut()) {
            ("FROM", Some((from, name)), _) => {
                stages.push(Stage { name: name.to_owned(), from: from.to_owned(), instructions: Vec::new() });
            }
            (_, _, Some(stage)) => stage.instructions.push((instruction.to_owned(), rest.to_owned())),
            _ => panic!("outside a stage: {line}"),
        }
    }
    stages
}

/// All that an image consists of: the instructions of its stage and of those below it.
fn image(dockerfile: &str, target: &str) -> Vec<Instruction> {
    let stages = stages(dockerfile);
    let (mut name, mut found) = (target, Vec::new());
    while name != "scratch" {
        let stage = stages.iter().find(|stage| stage.name == name).unwrap_or_else(|| panic!("{name}"));
        found.splice(0..0, stage.instructions.iter().cloned());
        name = &stage.from;
    }
    found
}

/// What `tests/cluster/archive` makes of a program: the image's configuration, and the files in its layer.
fn archived(program: &str) -> (Value, Vec<String>) {
    let place = tempfile::tempdir().unwrap();
    let (file, binary) = (place.path().join("image.tar"), place.path().join(program));
    // Every program that is not linked dynamically will do.
    std::fs::copy(root().join(".ci/run"), &binary).unwrap();
    let mut archive = Command::new(root().join("tests/cluster/archive"));
    archive.arg(&file).arg(format!("{program}:1")).arg(&binary).env("CA_BUNDLE", root().join("LICENSE"));
    assert!(archive.status().unwrap().success());
    tar(place.path(), &["--extract", "--file", "image.tar"]);
    let config = std::fs::read_to_string(place.path().join("config.json")).unwrap();
    let listing = tar(place.path(), &["--list", "--file", "layer.tar"]);
    (
        serde_json::from_str(&config).unwrap(),
        listing.lines().map(|line| line.trim_start_matches('.').to_owned()).collect(),
    )
}

fn tar(place: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tar").args(arguments).current_dir(place).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn images_are_the_same_by_both_ways() {
    let dockerfile = text("deploy/Dockerfile");
    for target in ["proxy", "controller"] {
        let program = format!("tidegate-{target}");
        let image = image(&dockerfile, target);
        let all = |name: &str| -> Vec<&str> {
            image.iter().filter(|(instruction, _)| instruction == name).map(|(_, rest)| rest.as_str()).collect()
        };
        let (config, files) = archived(&program);
        let entrypoint: Value = serde_json::from_str(all("ENTRYPOINT")[0]).unwrap();
        assert_eq!(entrypoint, config["config"]["Entrypoint"], "{target}");
        assert_eq!(all("USER"), [config["config"]["User"].as_str().unwrap()], "{target}");
        assert_eq!(all("WORKDIR"), [config["config"]["WorkingDir"].as_str().unwrap()], "{target}");
        let copied: Vec<_> = all("COPY").iter().map(|copy| copy.rsplit(' ').next().unwrap().to_owned()).collect();
        let packed: Vec<_> = files.into_iter().filter(|file| !file.ends_with('/') && !file.is_empty()).collect();
        assert_eq!(copied, ["/etc/ssl/certs/ca-certificates.crt".to_owned(), format!("/{program}")], "{target}");
        assert_eq!(packed.len(), copied.len(), "{packed:?}");
        assert!(copied.iter().all(|file| packed.contains(file)), "{target}: {copied:?}, {packed:?}");
        assert!(image.iter().all(|(instruction, _)| instruction != "RUN"), "{target} has no shell to run anything");
    }
}

#[test]
fn programs_are_built_by_the_pinned_toolchain() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"')).unwrap();
    let stages = stages(&text("deploy/Dockerfile"));
    let Stage { from, instructions: build, .. } = &stages[0];
    assert!(from.starts_with(&format!("rust:{channel}-")), "{from} is not Rust {channel}");
    let (images, programs) = (text("tests/cluster/images"), text("tests/cluster/programs.sh"));
    for program in ["tidegate-proxy", "tidegate-controller"] {
        assert!(build.iter().any(|(_, rest)| rest.contains(&format!("--bin {program}"))), "{program} is not built");
        assert!(images.contains(&format!("--bin {program}")), "{program} is not built for the cluster");
        assert!(images.contains(&format!("\"$built/{program}\"")), "{program} is not brought to the cluster");
    }
    assert!(build.iter().any(|(_, rest)| rest.contains("+crt-static")) && programs.contains("+crt-static"));
}

#[test]
fn the_chart_has_the_number_of_the_product() {
    let cargo = text("Cargo.toml");
    let version = cargo.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"')).unwrap();
    let chart = text("deploy/helm/tidegate/Chart.yaml");
    for field in ["version", "appVersion"] {
        assert!(chart.lines().any(|line| line == format!("{field}: {version}")), "{field} is not {version}");
    }
    let installed = text("deploy/install.yaml");
    for image in ["tidegate-controller", "tidegate-proxy"] {
        assert!(installed.contains(&format!("\"{image}:{version}\"")), "install.yaml does not use {image}:{version}");
    }
}

#[test]
fn dockerfiles_are_read() {
    let text = "# a\nFROM x AS a\nRUN b \\\n  c\n\nFROM scratch AS d\nUSER 1\nFROM d AS e\nCOPY f /g\n";
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(stages(text)[0].instructions, [pair("RUN", "b    c")]);
    assert_eq!(image(text, "e"), [pair("USER", "1"), pair("COPY", "f /g")]);
}
