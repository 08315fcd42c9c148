//! Several versions tried at the same time: each has room of its own on the line, and a guard of its own.

use crate::harness::{After, Backend, TestProxy, canary, reply, until};

/// A proxy of three versions of which two are tried, up to 30% each.
fn two_tried(stable: &Backend, tried: [&Backend; 2]) -> TestProxy {
    let config = canary(stable.address, tried[0].address, "visitor: {header: x-user}");
    let third = format!("    versions:\n      v3: {{endpoints: ['{}']}}\n", tried[1].address);
    let config = config.replace("    versions:\n", &third).replace("canary: v2", "canaries: [v2, v3]");
    TestProxy::start(&config.replace("strategy: canary", "strategy: canary, steps: [10%, 30%, 100%]"))
}

#[test]
fn the_growth_of_one_moves_nobody_of_another() {
    let backends = ["v1", "v2", "v3"].map(Backend::saying);
    let proxy = two_tried(&backends[0], [&backends[1], &backends[2]]);
    proxy.set_share("v3", 100_000);
    let versions = || proxy.versions_of(0..600, "/");
    let mut before = versions();
    // Up, up, one is out, the other one goes on, and takes all.
    for (version, share) in [("v2", 100_000), ("v2", 300_000), ("v3", 0), ("v2", 200_000), ("v3", 300_000)] {
        proxy.set_share(version, share);
        let after = versions();
        for (was, is) in before.iter().zip(&after) {
            let moves = was != is;
            assert!(!moves || [was, is].contains(&&version.to_owned()), "{was} became {is} when {version} moved");
            assert!(
                !moves || [was.as_str(), is.as_str()].contains(&"v1"),
                "{was} became {is}: nobody goes between them"
            );
        }
        let count = after.iter().filter(|it| *it == version).count() * 1_000_000 / 600;
        assert!(count.abs_diff(share as usize) < 70_000, "{count} of {version} at {share}");
        before = after;
    }
    proxy.set_share("v3", 0);
    proxy.set_share("v2", 1_000_000);
    assert_eq!(versions(), vec!["v2"; 600], "the one that has won");
}

#[test]
fn a_broken_one_is_taken_out_and_the_other_stays() {
    let (stable, sound) = (Backend::saying("v1"), Backend::saying("v3"));
    let broken = Backend::start(|exchange| {
        exchange.send(reply("500 Oops", "", "v2"));
        After::Keep
    });
    let proxy = two_tried(&stable, [&broken, &sound]);
    proxy.set_share("v2", 300_000);
    proxy.set_share("v3", 300_000);
    let before = proxy.versions_of(0..300, "/");
    let tripped = |version| proxy.samples().count("tidegate_tripped", &[("service", "shop"), ("version", version)]);
    until("the broken one is out of service", || tripped("v2") == 1);
    assert_eq!(tripped("v3"), 0);
    let after = proxy.versions_of(0..300, "/");
    for (was, is) in before.iter().zip(&after) {
        assert_eq!(is, if was == "v2" { "v1" } else { was });
    }
    assert!(after.iter().any(|version| version == "v3"));
}
