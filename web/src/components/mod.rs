//! The parts that pages are made of. Each takes plain values and draws them.

pub(crate) mod icons;

pub(crate) mod bulk;
pub(crate) mod chart;
pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod copy;
pub(crate) mod dialog;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod help;
pub(crate) mod link;
pub(crate) mod moment;
pub(crate) mod notices;
pub(crate) mod past;
pub(crate) mod pointed;
pub(crate) mod problem;
pub(crate) mod queues;
pub(crate) mod shell;
pub(crate) mod sign_in;
pub(crate) mod theme;
pub(crate) mod tile;
pub(crate) mod totals;
pub(crate) mod viewer;
