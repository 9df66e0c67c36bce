//! The parts that pages are made of. Each takes plain values and draws them.

pub(crate) mod icons;

pub(crate) mod chart;
pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod queues;
pub(crate) mod theme;
pub(crate) mod tile;
pub(crate) mod totals;
