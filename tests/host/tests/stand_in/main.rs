//! The stand-in `nixos-container` and `container@.service` keep to what was
//! measured on the real ones, row by row, the unpleasant parts included.

mod create;
mod destroy;
mod plain;
mod run;
mod start;
mod start_script;
mod status;
mod unit;
