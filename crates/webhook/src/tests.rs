//! The real router, request by request, with a store in memory.

mod answers;
mod bed;
mod help;
