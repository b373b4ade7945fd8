//! A report as charts.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::WINDOWS;
use super::report::{Offered, Report};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A figure of a row, and its name.
type Line = (&'static str, fn(&Offered) -> f64);

const SIZE: (u32, u32) = (860, 420);
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 6] = [
    RGBColor(120, 120, 120),
    RGBColor(31, 119, 180),
    RGBColor(44, 160, 44),
    RGBColor(214, 119, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
];

/// Every chart with the name of its file.
pub fn all(report: &Report) -> Result<[(&'static str, String); 2]> {
    Ok([
        ("throughput.svg", draw(|area| throughput(report, area))?),
        ("latency.svg", draw(|area| latency(report, area))?),
    ])
}

fn draw(chart: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        chart(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Commands a second: a group of bars for each window, a bar for each subject.
fn throughput(report: &Report, area: &Area<'_>) -> Result<()> {
    let mut subjects: Vec<_> = report.closed.iter().map(|row| row.subject.as_str()).collect();
    subjects.dedup();
    let most = report.closed.iter().map(|row| row.commands_per_second).fold(1.0, f64::max);
    let area = titled(area, "Commands a second, there and back", report)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..WINDOWS.len() as f64, 0.0..most * 1.12)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(WHITE)
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .label_style((FONT, 12))
        .draw()
        .map_err(failed)?;

    let width = 0.84 / subjects.len() as f64;
    for (at, subject) in subjects.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let bars = WINDOWS.iter().enumerate().filter_map(|(group, window)| {
            let left = group as f64 + 0.08 + at as f64 * width;
            Some((left, report.row(subject, *window)?.commands_per_second))
        });
        let bars: Vec<_> = bars.collect();
        let drawn = bars.iter().map(|(left, rate)| {
            Rectangle::new([(*left, 0.0), (left + width * 0.92, *rate)], colour.filled())
        });
        chart
            .draw_series(drawn)
            .map_err(failed)?
            .label(*subject)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
        let style = (FONT, 11).into_text_style(&area).pos(Pos::new(HPos::Center, VPos::Bottom));
        let rates = bars.iter().map(|(left, rate)| {
            Text::new(format!("{rate:.0}"), (left + width * 0.46, *rate), style.clone())
        });
        chart.draw_series(rates).map_err(failed)?;
    }
    let style = (FONT, 13).into_text_style(&area).pos(Pos::new(HPos::Center, VPos::Top));
    for (group, window) in WINDOWS.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(group as f64 + 0.5, 0.0));
        let (left, top) = area.get_base_pixel();
        let text = format!("{window} outstanding");
        area.draw(&Text::new(text, (x - left, y - top + 6), style.clone())).map_err(failed)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 13))
        .draw()
        .map_err(failed)
}

/// Latency at each offered load, on a logarithmic scale.
fn latency(report: &Report, area: &Area<'_>) -> Result<()> {
    let ms = |us: f64| us / 1e3;
    let most = report.offered.iter().map(|row| ms(row.max_us)).fold(1.0, f64::max);
    let least = report.offered.iter().map(|row| ms(row.p50_us)).fold(f64::INFINITY, f64::min);
    let area =
        titled(area, "Latency in milliseconds over offered load, open loop, durable", report)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..125.0, (least.min(most) * 0.7..most * 1.5).log_scale())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(13)
        .x_label_formatter(&|percent| format!("{percent:.0} %"))
        .x_desc(format!(
            "of {:.0} commands a second, the rate at 256 outstanding",
            report.capacity()
        ))
        .y_label_formatter(&|ms| format!("{ms}"))
        .label_style((FONT, 12))
        .draw()
        .map_err(failed)?;
    let lines: [Line; 3] =
        [("p50", |row| row.p50_us), ("p99", |row| row.p99_us), ("maximum", |row| row.max_us)];
    for ((name, figure), colour) in lines.into_iter().zip([COLOURS[1], COLOURS[3], COLOURS[0]]) {
        let points = report.offered.iter().map(|row| (f64::from(row.percent), ms(figure(row))));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 13))
        .draw()
        .map_err(failed)
}

/// The area below a title and below the words on machine and date.
fn titled<'a>(area: &Area<'a>, title: &str, report: &Report) -> Result<Area<'a>> {
    let area = area.titled(title, (FONT, 18)).map_err(failed)?;
    let words = format!("{}, {}", report.date, report.machine);
    area.titled(&words, (FONT, 11)).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a chart: {error}")
}
