//! A chart of what happened in a stretch of the past.

use std::rc::Rc;

use yew::{AttrValue, Html, Properties, classes, function_component, html};

use crate::{
    clock,
    components::pointed::{Pointed, use_pointed},
    past::{Past, PastPoint},
    plot::{HEIGHT, WIDTH},
    session::use_session,
};

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Area,
    Line,
    Bars,
}

/// One line of a chart: its name, its class, how it is drawn and found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) shape: Shape,
    pub(crate) of: fn(&PastPoint) -> Option<f64>,
}

#[derive(Debug, Properties)]
pub(crate) struct PastChartProps {
    pub(crate) title: &'static str,
    /// What the figures are when nothing is pointed at.
    pub(crate) note: AttrValue,
    pub(crate) past: Rc<Past>,
    pub(crate) series: &'static [Series],
    /// A value in words.
    pub(crate) show: fn(f64) -> String,
    pub(crate) test_id: &'static str,
}

impl PartialEq for PastChartProps {
    fn eq(&self, other: &Self) -> bool {
        // The rest is the same for as long as a chart stands.
        self.note == other.note && Rc::ptr_eq(&self.past, &other.past)
    }
}

/// The lines over their time, and their figures: of all of it, or of the step
/// under the pointer.
#[function_component]
pub(crate) fn PastChart(props: &PastChartProps) -> Html {
    let settings = use_session().settings;
    let Pointed {
        part: pointed,
        onpointermove,
        onpointerleave,
    } = use_pointed();
    let past = &props.past;
    let values: Vec<_> = props.series.iter().map(|series| series.of).collect();
    let ceiling = past.ceiling(&values);
    let point = pointed.and_then(|part| past.at(part));
    let shown = point.unwrap_or(&past.whole);
    let time = |millis| clock::short(millis, past.end, settings.offset(millis));
    let when = point.map_or_else(|| props.note.clone(), |point| time(point.start).into());
    let length = past.end.saturating_sub(past.start);
    let figure = |series: &Series, point: &PastPoint| {
        (series.of)(point).map_or_else(|| "–".to_owned(), props.show)
    };
    let figures = props
        .series
        .iter()
        .map(|series| format!("{} {}", series.title, figure(series, &past.whole)));
    let label = format!(
        "{}: {}",
        props.title,
        figures.collect::<Vec<_>>().join(", ")
    );
    html! {
        <figure class="chart past-chart" data-testid={props.test_id}>
            <figcaption class="legend">
                <h3 class="past-title">{props.title}</h3>
                {for props.series.iter().map(|series| html! {
                    <div class={classes!("past-figure", series.key)} data-series={series.key}>
                        {swatch(series)}
                        <span class="legend-title">{series.title}</span>
                        <b>{figure(series, shown)}</b>
                    </div>
                })}
                <span class="legend-when">{when}</span>
            </figcaption>
            <div class="chart-body">
                <ol class="chart-scale" aria-hidden="true">
                    <li>{(props.show)(ceiling)}</li>
                    <li>{(props.show)(ceiling / 2.0)}</li>
                    <li>{"0"}</li>
                </ol>
                <div class="chart-plot" {onpointermove} {onpointerleave}>
                    <svg class="chart-drawing" viewBox={format!("0 0 {WIDTH} {HEIGHT}")} preserveAspectRatio="none" role="img" aria-label={label}>
                        <path class="grid" d="M0 0.5H1500M0 50H1500M375 0V100M750 0V100M1125 0V100" />
                        <path class="ground" d="M0 100H1500" />
                        {for props.series.iter().map(|series| drawing(past, ceiling, series))}
                        if let Some(point) = point {
                            <path class="cursor" d={format!("M{:.1} 0V100", past.x(point))} />
                        }
                    </svg>
                </div>
                <ol class="chart-times past-times" aria-hidden="true">
                    {for (0..4).map(|part| html! { <li>{time(past.start + length * part / 4)}</li> })}
                    <li>{"now"}</li>
                </ol>
            </div>
        </figure>
    }
}

fn drawing(past: &Past, ceiling: f64, series: &Series) -> Html {
    let class = |shape: &'static str| classes!(shape, series.key);
    let line = || past.line(ceiling, series.of);
    match series.shape {
        Shape::Area => html! { <>
            <path class={class("area")} d={past.area(ceiling, series.of)} />
            <path class={class("line")} d={line()} />
        </> },
        Shape::Line => html! { <path class={class("line")} d={line()} /> },
        Shape::Bars => {
            html! { <path class={class("bars")} d={past.bars(ceiling, series.of)} /> }
        }
    }
}

/// The mark of a series, drawn as the chart draws it.
fn swatch(series: &Series) -> Html {
    html! {
        <svg class={classes!("swatch", series.key)} viewBox="0 0 18 12" aria-hidden="true">
            if series.shape == Shape::Bars {
                <path d="M3 12V6M9 12V2M15 12V8" />
            } else {
                if series.shape == Shape::Area {
                    <path class="swatch-area" d="M0 12V6L18 3V12Z" />
                }
                <path d="M0 6 18 3" />
            }
        </svg>
    }
}
