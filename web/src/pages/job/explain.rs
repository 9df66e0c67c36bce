//! Why is it not running?

use jobflow::proto::Obstacle;
use yew::{AttrValue, Callback, Html, Properties, function_component, html};

use crate::{
    answer::use_answer,
    api::{Api, values::natural},
    components::{command::Command, moment::Moment, problem::ProblemNote, sign_in::Rights},
    format,
    session::{Notice, use_session, use_turn},
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct ExplainProps {
    pub(crate) id: AttrValue,
    pub(crate) queue: AttrValue,
    /// Changes whenever the job does.
    pub(crate) etag: AttrValue,
}

/// The server's verdict, asked anew whenever jobs move.
#[function_component]
pub(crate) fn ExplainPanel(props: &ExplainProps) -> Html {
    let turn = use_turn();
    let question = (props.id.clone(), props.etag.clone());
    let answer = use_answer(question, turn, |(id, _)| async move {
        Api::explain_job(id.to_string()).await
    });
    let Some(explained) = &answer.value else {
        return match &answer.problem {
            Some(problem) => html! { <ProblemNote problem={problem.clone()} /> },
            None => Html::default(),
        };
    };
    let runs = explained.state() == jobflow::proto::JobState::Active;
    html! {
        <section class="panel explain" aria-labelledby="explain-title" data-testid="explain" data-reason={explained.obstacles.first().map(|obstacle| obstacle.reason.clone())}>
            <header class="panel-head">
                <h2 id="explain-title">{if runs { "What it is doing" } else { "Why is it not running?" }}</h2>
            </header>
            <p class="explain-summary" role="status">{&explained.summary}</p>
            if !explained.obstacles.is_empty() {
                <ol class="obstacles">
                    {for explained.obstacles.iter().map(|obstacle| html! {
                        <OneObstacle obstacle={obstacle.clone()} queue={props.queue.clone()} />
                    })}
                </ol>
            }
            <p class="explain-facts">
                if let Some(ahead) = explained.jobs_ahead {
                    <span>{format!("{} before it", format::plural(natural(ahead), "job"))}</span>
                }
                <span>{format!("{} for its kind", format::plural(natural(explained.workers.into()), "worker"))}</span>
                <span>{format!("{} free", format::plural(natural(explained.free_slots.into()), "slot"))}</span>
            </p>
        </section>
    }
}

#[derive(Debug, PartialEq, Properties)]
struct ObstacleProps {
    obstacle: Obstacle,
    queue: AttrValue,
}

#[function_component]
fn OneObstacle(props: &ObstacleProps) -> Html {
    let session = use_session();
    let obstacle = &props.obstacle;
    let resume = {
        let (queue, tell) = (props.queue.clone(), session.tell);
        Callback::from(move |_| {
            let (queue, tell) = (queue.clone(), tell.clone());
            wasm_bindgen_futures::spawn_local(async move {
                tell.emit(
                    match Api::resume_queue(queue.to_string(), String::new()).await {
                        Ok(_) => Notice::done(format!("Queue {queue} goes on.")),
                        Err(problem) => Notice::failed("Could not resume the queue", &problem),
                    },
                );
            });
        })
    };
    html! {
        <li>
            <code>{&obstacle.reason}</code>
            <span>{&obstacle.description}</span>
            if obstacle.until_time.is_some() {
                <span class="zero">{"until "}<Moment time={obstacle.until_time} ahead=true /></span>
            }
            if obstacle.reason == "QUEUE_PAUSED" {
                <Rights><button type="button" class="button" data-testid="resume-queue" onclick={resume}>{"Resume the queue"}</button></Rights>
            }
            if obstacle.reason == "NO_WORKER" {
                <Command text={format!("jobflow-worker --queue {} --handler '*=simulate:50ms..500ms'", props.queue)} />
            }
        </li>
    }
}
