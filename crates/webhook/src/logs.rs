//! Logs: one JSON value a line on stderr, for the journal. No body is in them.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The variable that chooses what is logged.
pub(crate) const VARIABLE: &str = "BERTH_LOG";

/// Begins to log.
pub(crate) fn init(filter: Option<&str>) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter.unwrap_or("info"))?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_current_span(false)
        .with_span_list(false)
        .init();
    Ok(())
}
