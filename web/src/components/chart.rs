//! Jobs per second over the last minutes, drawn as it happens.

use std::rc::Rc;

use yew::{AttrValue, Html, Properties, classes, function_component, html};

use crate::{
    components::pointed::{Pointed, use_pointed},
    format,
    history::{History, Point},
    model::Rates,
    plot::{HEIGHT, Plot, WIDTH, nice_ceiling},
};

/// One line of the chart: its name, its class, and how it is found.
struct Series {
    key: &'static str,
    title: &'static str,
    of: fn(&Rates) -> f64,
}

const SERIES: [Series; 3] = [
    Series {
        key: "submitted",
        title: "Submitted",
        of: |rates| rates.submitted,
    },
    Series {
        key: "completed",
        title: "Completed",
        of: |rates| rates.completed,
    },
    Series {
        key: "failed",
        title: "Failed",
        of: |rates| rates.failed,
    },
];

/// Below the grid's lines, minutes and seconds ago.
const TIMES: [&str; 6] = ["2:30 ago", "2:00", "1:30", "1:00", "0:30", "now"];

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct ChartProps {
    pub(crate) history: Rc<History>,
    /// The right edge, by the clock of the store.
    pub(crate) now: u64,
    /// Means of the last seconds.
    pub(crate) rates: Rates,
}

/// The rates in figures, and their course: completed as a surface, submitted as
/// a broken line, failed as bars from the ground.
#[function_component]
pub(crate) fn Chart(props: &ChartProps) -> Html {
    let Pointed {
        part: pointed,
        onpointermove,
        onpointerleave,
    } = use_pointed();
    let points = props.history.points();
    let highest = points
        .iter()
        .map(|point| point.rates.submitted.max(point.rates.completed))
        .fold(0.0, f64::max);
    let plot = Plot {
        now: props.now,
        // Some air above the highest, so that a steady line is not the frame.
        ceiling: nice_ceiling(highest * 1.05),
    };
    let under_pointer = pointed.and_then(|part| props.history.near(plot.time_at(part)));
    html! {
        <figure class="chart">
            {legend(&props.rates, under_pointer, props.now)}
            <div class="chart-body">
                <ol class="chart-scale" aria-hidden="true">
                    <li>{tick(plot.ceiling)}</li>
                    <li>{tick(plot.ceiling / 2.0)}</li>
                    <li>{"0"}</li>
                </ol>
                <div class="chart-plot" {onpointermove} {onpointerleave}>
                    {drawing(&plot, props, under_pointer)}
                    if points.is_empty() {
                        <p class="chart-wait">{"Reading the last minutes…"}</p>
                    }
                </div>
                <ol class="chart-times" aria-hidden="true">
                    {for TIMES.iter().map(|time| html! { <li>{*time}</li> })}
                </ol>
            </div>
        </figure>
    }
}

/// The figures: means of the last seconds, or the second under the pointer.
fn legend(rates: &Rates, pointed: Option<&Point>, now: u64) -> Html {
    let shown = pointed.map_or(*rates, |point| point.rates);
    let when: AttrValue = match pointed {
        Some(point) => format::ago(now.saturating_sub(point.time)).into(),
        None => "mean of 5 s".into(),
    };
    html! {
        <figcaption class="legend">
            {for SERIES.iter().map(|series| {
                let value = (series.of)(&shown);
                html! {
                    <div class={classes!("legend-item", series.key)}>
                        {swatch(series.key)}
                        <span class="legend-title">{series.title}</span>
                        <span class="legend-value">
                            <b data-testid={format!("rate-{}", series.key)} data-value={format!("{value:.3}")}>
                                {format::rate(value)}
                            </b>
                            <span class="unit">{"/s"}</span>
                        </span>
                    </div>
                }
            })}
            <span class="legend-when">{when}</span>
        </figcaption>
    }
}

/// The mark of a series, drawn as the chart draws it.
fn swatch(key: &'static str) -> Html {
    html! {
        <svg class={classes!("swatch", key)} viewBox="0 0 18 12" aria-hidden="true">
            if key == "failed" {
                <path d="M3 12V6M9 12V2M15 12V8" />
            } else {
                if key == "completed" {
                    <path class="swatch-area" d="M0 12V6L18 3V12Z" />
                }
                <path d="M0 6 18 3" />
            }
        </svg>
    }
}

fn drawing(plot: &Plot, props: &ChartProps, pointed: Option<&Point>) -> Html {
    let points = props.history.points();
    let completed = |point: &Point| point.rates.completed;
    let label = format!(
        "Jobs per second over the last two and a half minutes. Now: {} submitted, {} completed, {} failed.",
        format::rate(props.rates.submitted),
        format::rate(props.rates.completed),
        format::rate(props.rates.failed),
    );
    html! {
        <svg class="chart-drawing" viewBox={format!("0 0 {WIDTH} {HEIGHT}")} preserveAspectRatio="none" role="img" aria-label={label}>
            <path class="grid" d="M0 0.5H1500M0 50H1500M300 0V100M600 0V100M900 0V100M1200 0V100" />
            <path class="ground" d="M0 100H1500" />
            <path class="area completed" d={plot.area(points, completed)} />
            <path class="line completed" d={plot.line(points, completed)} />
            <path class="line submitted" d={plot.line(points, |point| point.rates.submitted)} />
            <path class="bars failed" d={plot.bars(points, |point| point.rates.failed)} />
            if let Some(point) = pointed {
                <path class="cursor" d={format!("M{:.1} 0V100", plot.x(point.time))} />
            }
        </svg>
    }
}

/// A value of the scale: the half of one has a decimal.
fn tick(value: f64) -> String {
    if value < 5.0 && value.fract() > 0.0 {
        return format!("{value:.1}");
    }
    format::count(format::whole(value))
}
