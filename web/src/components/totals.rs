//! What has happened since the queues began.

use yew::{Html, Properties, classes, function_component, html};

use crate::{format, model::Totals};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct TotalsProps {
    pub(crate) totals: Totals,
}

/// The totals; those that tell of trouble are listed once there is any.
#[function_component]
pub(crate) fn TotalsPanel(props: &TotalsProps) -> Html {
    let totals = &props.totals;
    let always = [
        ("Submitted", totals.submitted, "Jobs created"),
        (
            "Completed",
            totals.completed,
            "Jobs whose handler succeeded",
        ),
        ("Failed", totals.failed, "Jobs whose last attempt errored"),
        (
            "Errored attempts",
            totals.errored,
            "Attempts that errored, those that were retried included",
        ),
    ];
    let on_occasion = [
        (
            "Cancelled",
            totals.cancelled,
            "Jobs that somebody called off",
        ),
        ("Snoozed", totals.snoozed, "Jobs put off by their handler"),
        (
            "Released",
            totals.released,
            "Jobs given back when a worker shut down",
        ),
        (
            "Leases expired",
            totals.lease_expired,
            "Leases that ran out under a lost worker",
        ),
        (
            "Writes refused",
            totals.lease_lost,
            "Finishes refused because the lease had passed to another worker",
        ),
        (
            "Without a handler",
            totals.unhandled,
            "Jobs given back because the worker has no handler for their kind",
        ),
    ];
    let shown = always
        .into_iter()
        .chain(on_occasion.into_iter().filter(|(_, value, _)| *value > 0));
    html! {
        <section class="panel totals-panel" aria-labelledby="totals-title">
            <h2 class="hidden" id="totals-title">{"Since the queues began"}</h2>
            <dl class="totals" data-testid="totals">
                {for shown.map(|(title, value, meaning)| html! {
                    <div class={classes!("total", (value == 0).then_some("zero"))} title={meaning}>
                        <dt>{title}</dt>
                        <dd title={format::grouped(value)}>{format::count(value)}</dd>
                    </div>
                })}
            </dl>
        </section>
    }
}
