//! The README's quick start, as somebody follows it.

use super::markdown::{Block, blocks, text};
use super::running::{Running, printed};

fn block(kind: &str, holding: &str) -> Block {
    let blocks = blocks(&text("README.md")).into_iter();
    let mut found: Vec<_> = blocks.filter(|block| block.kind == kind && block.text.contains(holding)).collect();
    assert_eq!(found.len(), 1, "blocks of {kind} with {holding}");
    found.remove(0)
}

#[test]
fn the_configuration_of_the_readme_is_small() {
    let lines = block("yaml", "listeners").text.lines().count();
    assert!(lines <= 15, "{lines} lines");
}

#[test]
fn the_quick_start_works() {
    let running = Running::start("quick-start", &block("yaml", "listeners").text);
    let mut curls = 0;
    for line in block("sh", "curl").text.lines().filter(|line| line.starts_with("curl ")) {
        let (command, comment) = line.split_once(" # ").unwrap();
        let field = command.split('\'').nth(1).unwrap_or("accept: */*");
        let (head, body) = running.get("/", &[field]);
        assert!(head.starts_with("HTTP/1.1 200"), "{line}: {head}");
        assert!(comment.contains(&body), "{line}: answered by {body}");
        curls += 1;
    }
    assert!(curls >= 2, "saw {curls} requests");
    let (head, _) = running.get("/", &[]);
    assert!(head.contains("set-cookie: tidegate="), "a visitor is known again by a cookie: {head}");

    let mut commands = 0;
    for line in block("sh", "tidegate status").text.lines() {
        let words: Vec<_> = line.split(" #").next().unwrap().split_whitespace().collect();
        assert_eq!(words[0], "tidegate", "{line}");
        // What is watched ends with the rollout, which this test has to end itself.
        if words.contains(&"--watch") {
            continue;
        }
        let output = running.tidegate(&words[1..]);
        assert!(output.status.success(), "{line}: {}", printed(&output));
        commands += 1;
    }
    assert!(commands >= 3, "saw {commands} commands");
}

#[test]
fn a_promoted_version_gets_everybody() {
    let running = Running::start("promoted", &block("yaml", "listeners").text);
    assert_eq!(running.get("/", &[]).1, "v1");
    let output = running.tidegate(&["promote", "shop", "--full"]);
    assert!(output.status.success(), "{}", printed(&output));
    // The answer comes when it is decided and stored; that it is in force everywhere comes with the next scrape.
    let promoted = (0..5_000).any(|_| running.get("/", &[]).1 == "v2");
    assert!(promoted, "{}", printed(&running.tidegate(&["status", "shop"])));
    let output = running.tidegate(&["status", "shop", "--watch"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
}

#[test]
fn an_aborted_version_gets_nobody() {
    let running = Running::start("aborted", &block("yaml", "listeners").text);
    let output = running.tidegate(&["abort", "shop"]);
    assert!(output.status.success(), "{}", printed(&output));
    let output = running.tidegate(&["status", "shop", "--watch"]);
    assert_eq!(output.status.code(), Some(3), "{}", printed(&output));
    assert!((0..200).all(|_| running.get("/", &[]).1 == "v1"));
}
