//! One job: what became of it, why, and what can be done.

mod actions;
mod edit;
mod explain;
mod facts;
mod follow;
mod history;
mod log;

use std::rc::Rc;

use jobflow::{
    Fingerprint, JobError, Kind,
    proto::{Job, JobState},
};
use yew::{AttrValue, Callback, Html, Properties, function_component, html, use_state};

use crate::{
    components::{
        command::Command, copy::Copy, moment::StateLabel, problem::ProblemNote, viewer::Viewer,
    },
    route::{JobsView, Route, quoted},
};

use actions::Actions;
use explain::ExplainPanel;
use facts::Facts;
use follow::use_job;
use history::{Attempts, Timeline};
use log::Log;

use crate::components::{link::Link, sign_in::Rights};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct JobPageProps {
    pub(crate) id: AttrValue,
}

#[function_component]
pub(crate) fn JobPage(props: &JobPageProps) -> Html {
    let turn = use_state(|| 0_u64);
    let followed = use_job(props.id.to_string(), *turn);
    let changed = Callback::from(move |()| turn.set(*turn + 1));
    let Some(job) = followed.job.clone().filter(|_| !followed.gone) else {
        return html! {
            <main id="main" tabindex="-1" class="page" data-testid="job">
                <h1 class="page-title">{"Job"}</h1>
                if followed.gone {
                    {gone(&props.id)}
                } else if let Some(problem) = &followed.problem {
                    <ProblemNote problem={problem.clone()} />
                } else {
                    <p class="empty" role="status">{"Reading the job…"}</p>
                }
            </main>
        };
    };
    html! {
        <main id="main" tabindex="-1" class="page job-page" data-testid="job" data-job-id={job.id.clone()} data-state={job.state().as_str_name()}>
            <header class="job-head">
                <div class="job-title">
                    <h1>{&job.kind}</h1>
                    <span role="status" data-testid="job-state"><StateLabel state={job.state()} /></span>
                    if job.cancel_requested && job.state() == JobState::Active {
                        <span class="badge warning">{"asked to end"}</span>
                    }
                </div>
                <div class="job-id"><code>{&job.id}</code><Copy text={job.id.clone()} what="the id" /></div>
                <Rights><Actions job={Rc::clone(&job)} {changed} /></Rights>
            </header>
            if let Some(problem) = &followed.problem {
                <ProblemNote problem={problem.clone()} />
            }
            {error(&job)}
            if !matches!(job.state(), JobState::Completed | JobState::Failed | JobState::Cancelled) {
                <ExplainPanel id={job.id.clone()} queue={job.queue.clone()} etag={job.etag.clone()} />
            }
            {progress(&job)}
            <div class="job-columns">
                <div class="job-column">
                    <section class="panel" aria-labelledby="timeline-title">
                        <header class="panel-head"><h2 id="timeline-title">{"Timeline"}</h2></header>
                        <Timeline job={Rc::clone(&job)} />
                    </section>
                    if !job.attempts.is_empty() {
                        <section class="panel" aria-labelledby="attempts-title">
                            <header class="panel-head"><h2 id="attempts-title">{"Attempts"}</h2></header>
                            <Attempts job={Rc::clone(&job)} />
                        </section>
                    }
                    <Log lines={followed.lines.clone()} is_final={matches!(job.state(), JobState::Completed | JobState::Failed | JobState::Cancelled)} />
                </div>
                <div class="job-column">
                    <section class="panel" aria-labelledby="payload-title">
                        <header class="panel-head"><h2 id="payload-title">{"Payload"}</h2></header>
                        if job.payload_hidden {
                            <p class="empty">{"Your role does not see payloads."}</p>
                        } else {
                            <Viewer bytes={job.payload.clone()} content_type={job.content_type.clone()} what="payload" />
                        }
                        {for job.previous_payloads.iter().map(|previous| html! {
                            <details class="previous">
                                <summary>{"Replaced "}<crate::components::moment::Moment time={previous.replace_time} /></summary>
                                <Viewer bytes={previous.payload.clone()} content_type={previous.content_type.clone()} what="previous payload" />
                            </details>
                        })}
                    </section>
                    if job.state() == JobState::Completed {
                        <section class="panel" aria-labelledby="result-title">
                            <header class="panel-head"><h2 id="result-title">{"Result"}</h2></header>
                            if job.result.is_empty() {
                                <p class="empty">{"The handler returned nothing."}</p>
                            } else {
                                <Viewer bytes={job.result.clone()} content_type={job.result_content_type.clone()} what="result" />
                            }
                        </section>
                    }
                    <Facts job={Rc::clone(&job)} />
                </div>
            </div>
        </main>
    }
}

fn gone(id: &str) -> Html {
    html! {
        <div class="empty" data-testid="gone">
            <p>{"No job has the id "}<code>{id}</code>{". Finished jobs are kept for a limited time only; look how long their queue keeps them:"}</p>
            <Command text="jobflow-cli queue list" />
        </div>
    }
}

/// Why it failed, and a way to all that failed of the same.
fn error(job: &Job) -> Html {
    let Some(error) = &job.error else {
        return Html::default();
    };
    let alike = Kind::new(&job.kind).ok().map(|kind| {
        let error = JobError {
            code: error.code.clone(),
            message: error.message.clone(),
        };
        Fingerprint::of(&kind, &error).hex
    });
    let failed = job.state() == JobState::Failed;
    html! {
        <section class="panel error-panel" aria-labelledby="error-title" data-testid="error">
            <header class="panel-head">
                <h2 id="error-title">{if failed { "Why it failed" } else { "The last error" }}</h2>
                <code class="failed-text">{&error.code}</code>
                if let Some(fingerprint) = alike {
                    <Link class="panel-link" to={Route::Jobs(JobsView::of(format!("fingerprint = {}", quoted(&fingerprint))))}>{"All that failed of the same"}</Link>
                }
            </header>
            <pre class="error-text" tabindex="0">{&error.message}</pre>
        </section>
    }
}

fn progress(job: &Job) -> Html {
    let Some(progress) = job
        .progress
        .as_ref()
        .filter(|_| job.state() == JobState::Active)
    else {
        return Html::default();
    };
    html! {
        <section class="panel progress-panel" aria-label="Progress" data-testid="progress" data-percent={progress.percent.to_string()}>
            <progress max="100" value={progress.percent.to_string()} aria-label="Progress"></progress>
            <b>{format!("{} %", progress.percent)}</b>
            <span>{&progress.message}</span>
        </section>
    }
}
