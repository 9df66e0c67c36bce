//! The JobFlow server: gRPC, grpc-web, REST and the dashboard on one port.
//!
//! It translates, limits and replies; every rule about jobs is in the crate
//! [`jobflow`]. Workers do not need it: they claim straight from Redis.
//!
//! # Layout
//! [`run`] wires what `app` holds to what `routes` answers. Before every handler
//! stands `auth`, which knows who may call what. `grpc/` and `rest/`
//! are the two edges; both make the same calls. `metrics_hub` polls the store
//! once for all who watch, `event_hub` reads the event streams once for all who
//! wait (`job_watch` and `event_stream` are what they hold), and `store_watch`
//! knows whether the store may be used.

mod config;
mod listen;
mod log;
mod run;

mod app;
mod auth;
mod browser;
mod calls;
mod deadline;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gate;
mod patience;
mod reload;
mod request_id;
mod routes;
mod serve;
mod tls;
mod together;
mod trace;

mod dashboard;
mod grpc;
mod rest;

mod event_hub;
mod event_stream;
mod event_work;
mod health;
mod job_watch;
mod metrics_hub;
mod numbers;
mod rates;
mod store_watch;

pub use auth::CallLimits;
pub use config::{Args, AuthMode, Config, ConfigError, LogFormat, RedisArgs};
pub use gate::ConnectionLimits;
pub use listen::{ListenError, bind};
pub use log::init as init_log;
pub use run::run;
pub use tls::TlsFiles;
