//! The worker against a real Redis.

mod support;

mod binary;
mod claims;
mod exec;
mod health;
mod leases;
mod outcomes;
mod shutdown;
mod typed;
