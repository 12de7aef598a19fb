//! A run as a picture: SVG, the same to the byte for the same run.

use std::fmt::Write as _;

use super::scenarios::Scenario;
use super::simulation::Second;

const WIDTH: f64 = 760.0;
const PANEL: f64 = 110.0;
const GAP: f64 = 34.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 34.0;

/// A curve: what it is called, its colour, and its values second by second.
type Curve<'a> = (&'a str, &'a str, Vec<f64>);

/// A run: what is asked and answered, how long answers take, and the limit.
pub(crate) fn svg((_, title, world): &Scenario, seconds: &[Second]) -> String {
    let each = |value: fn(&Second) -> f64| seconds.iter().map(value).collect::<Vec<_>>();
    let sum = |counts: [u32; 3]| f64::from(counts.iter().sum::<u32>());
    let offered = seconds.iter().map(|it| sum(it.offered)).collect();
    let shed = seconds.iter().map(|it| sum(it.shed)).collect();
    let mut requests = vec![
        ("asked", "#888888", offered),
        ("answered", "#1a7f37", each(|it| f64::from(it.answered))),
    ];
    if world.is_mixed {
        requests.push(("critical shed", "#cf222e", each(|it| it.shed[0].into())));
        requests.push(("default shed", "#bf8700", each(|it| it.shed[1].into())));
        requests.push(("batch shed", "#8250df", each(|it| it.shed[2].into())));
    } else {
        requests.push(("shed", "#cf222e", shed));
    }
    let latencies: [Curve<'_>; 3] = [
        ("99 %", "#cf222e", each(|it| percentile(it, 99) * 1e3)),
        ("50 %", "#0969da", each(|it| percentile(it, 50) * 1e3)),
        ("baseline", "#888888", each(|it| it.baseline * 1e3)),
    ];
    let limits: [Curve<'_>; 2] = [
        ("limit", "#8250df", each(|it| it.limit.into())),
        ("in flight", "#0969da", each(|it| it.in_flight.into())),
    ];
    let height = TOP + 3.0 * (PANEL + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"16\" font-size=\"14\">{title}</text>\n"
    );
    panel(&mut svg, 0.0, "requests a second", &requests);
    panel(&mut svg, 1.0, "latency, ms", &latencies);
    panel(&mut svg, 2.0, "requests at once", &limits);
    svg + "</svg>\n"
}

fn panel(svg: &mut String, number: f64, title: &str, curves: &[Curve<'_>]) {
    let top = TOP + number * (PANEL + GAP);
    let bottom = top + PANEL;
    let values = curves.iter().flat_map(|(_, _, values)| values);
    let most = values.fold(1.0_f64, |most, value| most.max(*value));
    let right = WIDTH - 10.0;
    writeln!(
        svg,
        "<path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#cccccc\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{most:.0}</text>\n\
         <text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n\
         <text x=\"{LEFT}\" y=\"{}\">{title}</text>",
        LEFT - 6.0,
        top + 9.0,
        LEFT - 6.0,
        top - 5.0
    )
    .unwrap();
    for (place, (name, colour, values)) in curves.iter().enumerate() {
        let step = (right - LEFT) / values.len() as f64;
        let mut points = String::new();
        for (second, value) in values.iter().enumerate() {
            let x = LEFT + step * (second as f64 + 0.5);
            let y = bottom - value / most * PANEL;
            write!(points, "{x:.1},{y:.1} ").unwrap();
        }
        let points = points.trim_end();
        let x = LEFT + 190.0 + 100.0 * place as f64;
        writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            top - 5.0
        )
        .unwrap();
    }
    for second in (0..=120).step_by(30) {
        let x = LEFT + (right - LEFT) * f64::from(second) / 120.0;
        let y = bottom + 12.0;
        let text = format!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{second} s</text>");
        writeln!(svg, "{text}").unwrap();
    }
}

fn percentile(second: &Second, percent: usize) -> f64 {
    let mut latencies = second.latencies.clone();
    latencies.sort_by(f64::total_cmp);
    let place = latencies.len() * percent / 100;
    latencies.get(place).copied().unwrap_or_default()
}
