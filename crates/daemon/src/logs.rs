//! Logs: a line of JSON on stderr for each event, which the journal keeps.

use tracing_subscriber::EnvFilter;

/// The variable that chooses what is logged.
const VARIABLE: &str = "BERTH_LOG";

/// Begins to log.
pub(crate) fn init() {
    let chosen = std::env::var(VARIABLE).ok().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = chosen.unwrap_or_else(|| EnvFilter::new("warn,berth=info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
