//! The picture in the README is drawn from the recording beside it.

#[path = "../../examples/picture/draw.rs"]
mod draw;
#[path = "../../examples/picture/recording.rs"]
mod recording;

use tidegate_controller::engine::Phase;

use super::markdown::{assert_generated, text};
use recording::{Recording, Run};

#[test]
fn the_picture_shows_the_recording() {
    let recording: Recording = serde_json::from_str(&text("docs/rollout.json")).unwrap();
    let ends: Vec<_> = recording.runs.iter().map(|run| run.phase).collect();
    assert_eq!(ends, [Phase::Promoted, Phase::Aborted]);
    for run in &recording.runs {
        assert!(run.samples.len() >= 20 && run.decisions.len() >= 2, "{} is hardly recorded", run.title);
    }
    assert_eq!(recording.to_json().unwrap(), text("docs/rollout.json"));
    assert_generated("docs/rollout.svg", &draw::draw(&recording));
    assert!(text("README.md").contains("docs/rollout.svg"));
}

#[test]
fn what_is_no_recording_is_refused() {
    assert!(Run::of("", "").is_err());
    assert!(Run::of("", "{}").is_err());
}
