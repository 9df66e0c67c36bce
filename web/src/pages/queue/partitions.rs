//! What each partition of a queue has, and which are not as they should be.

use jobflow::JobState;
use jobflow::proto::{JobCounts, QueuePartitions};
use yew::{Html, classes, html};

use crate::{
    api::counts,
    format,
    model::{Counts, state_title},
};

/// The states that a line tells of.
const SHOWN: [JobState; 5] = [
    JobState::Scheduled,
    JobState::Waiting,
    JobState::Active,
    JobState::Retrying,
    JobState::Failed,
];

/// Nothing for a queue that was never spread, as long as it can be reached.
pub(super) fn partitions_panel(all: &QueuePartitions) -> Option<Html> {
    let lines = lines(all);
    if lines.len() <= 1 && all.unreachable.is_empty() {
        return None;
    }
    Some(html! {
        <section class="panel" aria-labelledby="partitions-title" data-testid="partitions">
            <header class="panel-head">
                <h2 id="partitions-title">{"Partitions"}</h2>
                <p class="panel-note">{format!("{} take new jobs", all.count)}</p>
            </header>
            <div class="table-scroll" role="group" aria-label="Partitions, scrollable" tabindex="0">
                <table class="queues">
                    <thead>
                        <tr>
                            <th scope="col">{"Partition"}</th>
                            {for SHOWN.iter().map(|state| html! { <th scope="col" class="number">{state_title(*state)}</th> })}
                        </tr>
                    </thead>
                    <tbody>
                        {for lines.iter().map(line)}
                    </tbody>
                </table>
            </div>
        </section>
    })
}

/// One partition; without counts it can not be reached.
#[derive(Debug, PartialEq)]
struct Line {
    number: i32,
    counts: Option<Counts>,
    is_surplus: bool,
}

/// All of them by number.
fn lines(all: &QueuePartitions) -> Vec<Line> {
    let answered = all.each.iter();
    let answered = answered.map(|part| (part.number, Some(part.counts.unwrap_or_default())));
    let silent = all.unreachable.iter().map(|number| (*number, None));
    let line = |(number, found): (i32, Option<JobCounts>)| Line {
        number,
        counts: found.map(counts),
        is_surplus: all.surplus.contains(&number),
    };
    let mut lines: Vec<_> = answered.chain(silent).map(line).collect();
    lines.sort_by_key(|line| line.number);
    lines
}

fn line(line: &Line) -> Html {
    let note = match line {
        Line { counts: None, .. } => "out of reach",
        Line {
            is_surplus: true, ..
        } => "worked off",
        Line { .. } => "",
    };
    html! {
        <tr key={line.number} data-partition={line.number.to_string()}>
            <th scope="row">
                {line.number}
                if !note.is_empty() {
                    {" "}<span class="badge warning">{note}</span>
                }
            </th>
            {for SHOWN.iter().map(|state| match line.counts {
                None => html! { <td class="number zero">{"–"}</td> },
                Some(counts) => {
                    let count = counts.of(*state);
                    html! {
                        <td class={classes!("number", state.as_str(), (count == 0).then_some("zero"))} title={format::grouped(count)}>{format::count(count)}</td>
                    }
                }
            })}
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use jobflow::proto::QueuePartition;

    use super::*;

    #[test]
    fn partitions_stand_in_a_row_whether_they_answer_or_not() {
        let part = |number, waiting| QueuePartition {
            number,
            counts: Some(JobCounts {
                waiting,
                ..JobCounts::default()
            }),
        };
        let all = QueuePartitions {
            count: 3,
            surplus: vec![3],
            unreachable: vec![1],
            each: vec![part(0, 7), part(2, 0), part(3, 1)],
        };
        let told = lines(&all).into_iter();
        let told: Vec<_> = told
            .map(|line| {
                let waiting = line.counts.map(|counts| counts.waiting);
                (line.number, waiting, line.is_surplus)
            })
            .collect();
        let expected = [
            (0, Some(7), false),
            (1, None, false),
            (2, Some(0), false),
            (3, Some(1), true),
        ];
        assert_eq!(told, expected);
    }
}
