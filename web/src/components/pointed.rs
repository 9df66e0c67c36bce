//! Where the pointer is over a chart.

use web_sys::{Element, PointerEvent};
use yew::{Callback, TargetCast, hook, use_state};

/// What a chart gives to its plot, and learns from it.
pub(crate) struct Pointed {
    /// How far from the left edge to the right, 0 to 1; none while the pointer is elsewhere.
    pub(crate) part: Option<f64>,
    pub(crate) onpointermove: Callback<PointerEvent>,
    pub(crate) onpointerleave: Callback<PointerEvent>,
}

#[hook]
pub(crate) fn use_pointed() -> Pointed {
    let part = use_state(|| None::<f64>);
    let onpointermove = {
        let part = part.clone();
        Callback::from(move |event: PointerEvent| {
            let width = event.target_unchecked_into::<Element>().client_width();
            if width > 0 {
                part.set(Some(f64::from(event.offset_x()) / f64::from(width)));
            }
        })
    };
    let onpointerleave = {
        let part = part.clone();
        Callback::from(move |_| part.set(None))
    };
    Pointed {
        part: *part,
        onpointermove,
        onpointerleave,
    }
}
