//! The daemon against a fake GitHub and a fake host, with real records and a
//! real spool.

mod answers;
mod bed;
mod lane;
mod simulation;
mod sites;
mod trouble;
