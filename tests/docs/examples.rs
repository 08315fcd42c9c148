//! Every file in `examples/` is a good configuration, to the library and to the program.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tidegate_config::Config;
use tidegate_config::policy::Strategy;

use super::markdown::{file, text};

#[test]
fn every_example_is_good() {
    let entries = fs::read_dir(file("examples")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    assert_eq!(files.len(), 9, "{files:?}");
    // Together with the certificate that one of them names.
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("examples");
    fs::create_dir_all(&directory).unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    fs::write(directory.join("shop.pem"), cert.pem()).unwrap();
    fs::write(directory.join("shop.key"), signing_key.serialize_pem()).unwrap();
    let (mut canaries, mut blue_greens, mut recreates, mut fixed) = (0, 0, 0, 0);
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# "), "{}: says not what it shows", path.display());
        let config = Config::parse(&text).unwrap_or_else(|problems| panic!("{}:\n{problems}", path.display()));
        let strategies: Vec<_> =
            config.services.values().filter_map(|s| s.rollout.as_ref()).map(|r| r.strategy).collect();
        match strategies[..] {
            [Strategy::Canary] => canaries += 1,
            [Strategy::BlueGreen] => blue_greens += 1,
            [Strategy::Recreate] => recreates += 1,
            [] => fixed += 1,
            _ => panic!("{}: several rollouts", path.display()),
        }
        let copy = directory.join(path.file_name().unwrap());
        fs::write(&copy, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("check").arg("-c").arg(copy).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!((canaries, blue_greens, recreates, fixed), (5, 1, 1, 2));
}

#[test]
fn the_smallest_example_is_small() {
    let lines = text("examples/minimal.yaml").lines().count();
    assert!(lines <= 15, "{lines} lines");
}
