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
/// The evidence's plot, from a thousand down to a thousandth.
const EVIDENCE: (f64, f64) = (232.0, 292.0);

const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-size: 15px; font-weight: 600 } \
.small { fill: #57606a; font-size: 11px } .end { text-anchor: end } .middle { text-anchor: middle } \
.axis { stroke: #d0d7de; fill: none } .bound { stroke: #cf222e; stroke-dasharray: 4 3 } \
.share { stroke: #0969da; stroke-width: 2; fill: #0969da22 } .evidence { stroke: #8250df; stroke-width: 1.5; fill: none } \
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
        let (title, end) = (escaped(&self.run.title), if self.run.phase == Phase::Promoted { "good" } else { "bad" });
        let ending = if self.run.phase == Phase::Promoted { "promoted" } else { "rolled back" };
        let _ = writeln!(
            svg,
            "<text class=\"title\" x=\"{LEFT}\" y=\"28\">{title}: <tspan class=\"{end}\">{ending}</tspan></text>"
        );
        let _ = writeln!(svg, "<text class=\"small\" x=\"{LEFT}\" y=\"50\">canary's share of the visitors</text>");
        for percent in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let y = share_y(percent);
            let _ = writeln!(svg, "<path class=\"axis\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
            let _ = writeln!(
                svg,
                "<text class=\"small end\" x=\"{:.1}\" y=\"{:.1}\">{:.0}%</text>",
                LEFT - 6.0,
                y + 4.0,
                percent * 100.0
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"{LEFT}\" y=\"{:.1}\">evidence against the canary</text>",
            EVIDENCE.0 - 8.0
        );
        for (value, class, label) in
            [(0.001, "axis", "0.001"), (1.0, "axis", "1"), (self.run.abort_bound, "bound", "roll back")]
        {
            let y = evidence_y(value);
            let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
            let _ =
                writeln!(svg, "<text class=\"small end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>", LEFT - 6.0, y + 4.0);
        }
        let step = [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];
        let step = step.into_iter().find(|step| self.until / step <= 8.0).unwrap_or(1_800.0);
        let mut at = 0.0;
        while at <= self.until {
            let _ = writeln!(svg, "<text class=\"small middle\" x=\"{:.1}\" y=\"312\">{at:.0} s</text>", self.x(at));
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
        for (at, share, text) in &self.run.decisions {
            let class = if *share < before {
                "bad"
            } else if *share >= 1.0 {
                "good"
            } else {
                "move"
            };
            let (x, y) = (self.x(*at), share_y(share.max(before)));
            let text = escaped(text);
            let _ = writeln!(
                svg,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\"><title>{text}</title></circle>",
                share_y(*share)
            );
            let label = format!("{:.0}%", share * 100.0);
            let (anchor, x) = if x > RIGHT - 40.0 { (" end", x - 8.0) } else { ("", x + 6.0) };
            let _ = writeln!(
                svg,
                "<text class=\"{class}{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{label} at {at:.0} s</text>",
                (y - 7.0).max(SHARE.0 + 12.0)
            );
            before = *share;
        }
    }
}

fn share_y(share: f64) -> f64 {
    SHARE.1 - share.clamp(0.0, 1.0) * (SHARE.1 - SHARE.0)
}

/// On a scale of powers of ten, since evidence is multiplied from look to look.
fn evidence_y(evidence: f64) -> f64 {
    let exponent = evidence.max(1e-3).log10().clamp(-3.0, 3.0);
    EVIDENCE.1 - (exponent + 3.0) / 6.0 * (EVIDENCE.1 - EVIDENCE.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
