//! Draws recorded rollouts side by side: the canary's share above, the evidence against it below.

use std::fmt::Write as _;

use tidegate_controller::engine::Phase;

use super::recording::{Recording, Run};

/// Width of a panel, margins included.
const PANEL: f64 = 440.0;
/// Height of the whole.
const HEIGHT: f64 = 330.0;
/// Where the plots lie in a panel.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 420.0;
/// The share's plot, from 100% down to 0%.
const SHARE: (f64, f64) = (62.0, 202.0);
/// The evidence's plot, from a thousand down to a hundredth.
const EVIDENCE: (f64, f64) = (232.0, 292.0);

const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-size: 15px; font-weight: 600 } \
.small { fill: #57606a; font-size: 11px } .end { text-anchor: end } .middle { text-anchor: middle } \
.axis { stroke: #d0d7de; fill: none } .bound { stroke: #cf222e; stroke-dasharray: 4 3 } \
.share { stroke: #0969da; stroke-width: 2; fill: #0969da; fill-opacity: .15 } .evidence { stroke: #8250df; stroke-width: 1.5; fill: none } \
.good { fill: #1a7f37 } .bad { fill: #cf222e } .move { fill: #0969da }";

/// The picture as an SVG document.
pub(crate) fn draw(recording: &Recording) -> String {
    let width = recording.runs.iter().map(|_| PANEL).sum::<f64>();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" height=\"{HEIGHT}\" \
         role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n<rect width=\"{width}\" height=\"{HEIGHT}\" rx=\"8\" \
         fill=\"#ffffff\" stroke=\"#d0d7de\"/>\n",
        escaped(&recording.runs.iter().map(|run| run.verdict.as_str()).collect::<Vec<_>>().join(" "))
    );
    let mut left = 0.0;
    for run in &recording.runs {
        let _ = writeln!(svg, "<g transform=\"translate({left} 0)\">");
        Panel::of(run).draw(&mut svg);
        svg.push_str("</g>\n");
        left += PANEL;
    }
    svg.push_str("</svg>\n");
    svg
}

/// One rollout and its scales.
struct Panel<'a> {
    run: &'a Run,
    /// Seconds at the right end.
    until: f64,
}

impl<'a> Panel<'a> {
    fn of(run: &'a Run) -> Self {
        let last = run.samples.last().map_or(0.0, |(at, ..)| *at);
        let decided = run.decisions.last().map_or(0.0, |(at, ..)| *at);
        // A little of what came after the last decision is enough.
        let until = (decided * 1.12 + 2.0).max(last.min(decided + 5.0));
        Self { run, until }
    }

    fn draw(&self, svg: &mut String) {
        self.frame(svg);
        self.share(svg);
        self.evidence(svg);
        self.decisions(svg);
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (seconds / self.until).clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn frame(&self, svg: &mut String) {
        let promoted = self.run.phase == Phase::Promoted;
        let (class, ending) = if promoted { ("good", "promoted") } else { ("bad", "rolled back") };
        let title = format!("{}: <tspan class=\"{class}\">{ending}</tspan>", escaped(&self.run.title));
        text(svg, "title", LEFT, 28.0, &title);
        text(svg, "small", LEFT, SHARE.0 - 12.0, "the canary's share of the visitors");
        for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
            line(svg, "axis", share_y(share));
            text(svg, "small end", LEFT - 6.0, share_y(share) + 4.0, &format!("{:.0}%", share * 100.0));
        }
        let bound = self.run.abort_bound;
        text(
            svg,
            "small",
            LEFT,
            EVIDENCE.0 - 8.0,
            &format!("evidence against the canary; at {bound:.0} it is rolled back"),
        );
        for (value, class) in [(0.01, "axis"), (1.0, "axis"), (bound, "bound")] {
            line(svg, class, evidence_y(value));
            text(svg, "small end", LEFT - 6.0, evidence_y(value) + 4.0, &value.to_string());
        }
        let steps = [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];
        let step = steps.into_iter().find(|step| self.until / step <= 8.0).unwrap_or(1_800.0);
        let mut at = 0.0;
        while at <= self.until {
            text(svg, "small middle", self.x(at), HEIGHT - 18.0, &format!("{at:.0} s"));
            at += step;
        }
    }

    fn share(&self, svg: &mut String) {
        let mut path = format!("M{LEFT} {:.1}", share_y(0.0));
        for (at, share, _) in &self.run.decisions {
            let _ = write!(path, "H{:.1}V{:.1}", self.x(*at), share_y(*share));
        }
        let _ = writeln!(svg, "<path class=\"share\" d=\"{path}H{RIGHT}V{:.1}\"/>", share_y(0.0));
    }

    fn evidence(&self, svg: &mut String) {
        let points = self.run.samples.iter().take_while(|(at, ..)| *at <= self.until);
        let points: Vec<_> = points.map(|(at, _, m)| format!("{:.1},{:.1}", self.x(*at), evidence_y(*m))).collect();
        let _ = writeln!(svg, "<polyline class=\"evidence\" points=\"{}\"/>", points.join(" "));
    }

    fn decisions(&self, svg: &mut String) {
        let mut before = 0.0;
        for (at, share, sentence) in &self.run.decisions {
            let class = match share {
                _ if *share < before => "bad",
                share if *share >= 1.0 => "good",
                _ => "move",
            };
            let (x, y) = (self.x(*at), share_y(*share));
            let _ = writeln!(
                svg,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{}</title></circle>",
                escaped(sentence)
            );
            // Above the line it starts, or to the left of it where the picture ends.
            let (anchor, x) = if x > RIGHT - 75.0 { (" end", x - 8.0) } else { ("", x + 6.0) };
            text(
                svg,
                &format!("{class}{anchor}"),
                x,
                y - 7.0 + if *share >= 1.0 { 18.0 } else { 0.0 },
                &format!("{:.0}% at {at:.0} s", share * 100.0),
            );
            before = *share;
        }
    }
}

/// A text at a place.
fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

/// A line across the plots.
fn line(svg: &mut String, class: &str, y: f64) {
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
}

fn share_y(share: f64) -> f64 {
    SHARE.1 - share.clamp(0.0, 1.0) * (SHARE.1 - SHARE.0)
}

/// On a scale of powers of ten, since evidence is multiplied from look to look.
fn evidence_y(evidence: f64) -> f64 {
    let exponent = evidence.max(0.01).log10().clamp(-2.0, 3.0);
    EVIDENCE.1 - (exponent + 2.0) / 5.0 * (EVIDENCE.1 - EVIDENCE.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
