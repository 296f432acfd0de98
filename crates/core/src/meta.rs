//! What a repository declares about its preview.
//!
//! A repository's `preview-config.nix` says in `config.system.build.previewMeta`
//! which services to start, which paths go where, and what is wanted from the
//! host. It is written by strangers: everything in it is read into a type that
//! holds nothing else, unknown keys are refused, and all problems are told at
//! once.

mod read;
mod reader;
mod ready;
mod route;
mod unit;

#[cfg(test)]
pub(crate) mod any;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU16;

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

pub use self::ready::{Ready, ReadyPath, ReadyRequest};
pub(crate) use self::route::most_specific_first;
pub use self::route::{ExtraHost, PathError, Route, RoutePath};
pub use self::unit::{UnitName, UnitNameError};
use crate::config::Problem;
use crate::env_file::EnvName;

/// The longest text of a meta, in bytes.
pub const JSON_MAX: usize = 64 << 10;
/// How many problems a message tells; the others are counted.
const TOLD_MAX: usize = 40;

/// A meta, with its defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The service that must end with success before the app services start.
    pub setup_service: Option<UnitName>,
    /// The services that make the site; none of them is the setup service.
    pub app_services: Vec<UnitName>,
    /// Where its database is, if it has one.
    pub database: Option<DatabaseMode>,
    /// What the main host serves. Never empty; no path is there twice.
    pub routes: Vec<Route>,
    /// The secrets of the host that it asks for; none of them is a variable
    /// that Berth sets itself.
    pub host_secrets: Vec<EnvName>,
    /// Its further hosts, each of another prefix.
    pub extra_hosts: Vec<ExtraHost>,
    /// What its main host answers when it is up. One of `routes` serves its path.
    pub ready: Ready,
}

/// Who runs the database of a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseMode {
    /// The host's database server, with a database and a role for this preview.
    Host,
    /// The guest itself: Berth stays out.
    Container,
}

/// A meta that cannot be used, with all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct MetaError(pub Vec<Problem>);

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the meta of the preview has 1 problem:")?,
            many => write!(f, "the meta of the preview has {many} problems:")?,
        }
        self.0.iter().take(TOLD_MAX).try_for_each(|problem| write!(f, "\n  {problem}"))?;
        match self.0.len().saturating_sub(TOLD_MAX) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl Meta {
    /// Reads the JSON of a meta, of at most [`JSON_MAX`] bytes.
    pub fn parse(json: &str) -> Result<Self, MetaError> {
        let whole = |message| {
            let key = "previewMeta".to_owned();
            MetaError(vec![Problem { key, message }])
        };
        if json.len() > JSON_MAX {
            return Err(whole(format!("has {} bytes: {JSON_MAX} is the most", json.len())));
        }
        let values = match serde_json::from_str(json) {
            Ok(Value::Object(values)) => values,
            Ok(other) => {
                return Err(whole(format!("must be an attribute set, not {}", reader::kind_of(&other))));
            }
            Err(error) => return Err(whole(format!("is no JSON: {error}"))),
        };
        read::meta(values).map_err(MetaError)
    }

    /// The canonical JSON: with every key, in one order, and read back as the
    /// same meta.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a meta has nothing in it that JSON has not")
    }

    /// The most specific route of the main host that serves a path.
    pub fn route_for(&self, path: &str) -> Option<&Route> {
        route::most_specific(&self.routes, path)
    }

    /// The request that tells whether the preview is up, as its guest sees it.
    pub fn ready_request(&self) -> ReadyRequest<'_> {
        let path = self.ready.path.as_str();
        let route = self.route_for(path).expect("a meta has a route for its ready path");
        ReadyRequest { port: route.port, path: route.seen_inside(path) }
    }

    /// Every port that a route of its hosts leads to, once each.
    pub fn ports(&self) -> BTreeSet<NonZeroU16> {
        let extra = self.extra_hosts.iter().flat_map(|host| &host.routes);
        self.routes.iter().chain(extra).map(|route| route.port).collect()
    }
}
