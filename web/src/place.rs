//! The places of the navigation. Pure.

use crate::route::{JobsView, Route};

/// Where one can go from everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Jobs,
    Queues,
    Dead,
    Workers,
    Events,
    Audit,
    Settings,
}

impl Place {
    pub(crate) const ALL: [Self; 8] = [
        Self::Overview,
        Self::Jobs,
        Self::Queues,
        Self::Dead,
        Self::Workers,
        Self::Events,
        Self::Audit,
        Self::Settings,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Jobs => "Jobs",
            Self::Queues => "Queues",
            Self::Dead => "Dead letters",
            Self::Workers => "Workers",
            Self::Events => "Events",
            Self::Audit => "Audit",
            Self::Settings => "Settings",
        }
    }

    /// The key that leads there, after `g`.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Overview => "o",
            Self::Jobs => "j",
            Self::Queues => "q",
            Self::Dead => "d",
            Self::Workers => "w",
            Self::Events => "e",
            Self::Audit => "a",
            Self::Settings => "s",
        }
    }

    pub(crate) fn route(self) -> Route {
        match self {
            Self::Overview => Route::Overview,
            Self::Jobs => Route::Jobs(JobsView::default()),
            Self::Queues => Route::Queues,
            Self::Dead => Route::Dead,
            Self::Workers => Route::Workers,
            Self::Events => Route::Events(String::new()),
            Self::Audit => Route::Audit,
            Self::Settings => Route::Settings,
        }
    }

    /// The place that a page belongs to.
    pub(crate) const fn of(route: &Route) -> Option<Self> {
        Some(match route {
            Route::Overview => Self::Overview,
            Route::Jobs(_) | Route::Job(_) => Self::Jobs,
            Route::Queues | Route::Queue(_) => Self::Queues,
            Route::Dead => Self::Dead,
            Route::Workers => Self::Workers,
            Route::Events(_) => Self::Events,
            Route::Audit => Self::Audit,
            Route::Settings => Self::Settings,
            Route::Missing(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_where_its_way_leads() {
        for place in Place::ALL {
            assert_eq!(Place::of(&place.route()), Some(place));
        }
    }
}
