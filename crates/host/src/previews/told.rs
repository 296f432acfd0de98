//! What a preview's services are told, put together from what it declares and
//! what the operator grants.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use berth_core::config::PreviewConfig;
use berth_core::env_file::EnvName;
use berth_core::guest::{Preparation, PreviewEnvironment, PreviewPreparation};
use berth_core::meta::DatabaseMode;
use berth_core::site::Site;
use berth_core::{CommitSha, Config, Gpu, Layout, Meta};

use super::DeployError;
use crate::host::Host;
use crate::state::PreviewRecord;

/// What the services of this preview are told at this commit.
pub(super) fn environment(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    commit: &CommitSha,
    meta: &Meta,
) -> Result<PreviewEnvironment, DeployError> {
    let site = site(config, record, meta, Ipv4Addr::UNSPECIFIED);
    Ok(PreviewEnvironment {
        preview: record.id,
        repository_url: format!("file://{}", host.layout.source(record.id).display()),
        branch: record.branch.clone(),
        commit: commit.clone(),
        host: site.hosts().swap_remove(0),
        url: site.url(),
        has_database: meta.database == Some(DatabaseMode::Host),
        secrets: secrets(config, record, meta)?,
        token: token(config, record),
    })
}

/// What the root of a berth of this preview is prepared with.
pub(super) fn preparation(record: &PreviewRecord, environment: PreviewEnvironment) -> Preparation {
    Preparation::Preview(Box::new(PreviewPreparation { host_name: record.slug.clone(), environment }))
}

/// The preview as the web server sees it.
pub(super) fn site<'a>(
    config: &'a PreviewConfig,
    record: &'a PreviewRecord,
    meta: &'a Meta,
    upstream: Ipv4Addr,
) -> Site<'a> {
    Site {
        id: record.id,
        slug: &record.slug,
        domain: &config.domain,
        upstream,
        routes: &meta.routes,
        extra_hosts: &meta.extra_hosts,
    }
}

/// The paths of the host that a preview's containers see at the same place:
/// its own repository, and the objects that this borrows from the mirror.
pub(super) fn bound(layout: &Layout, record: &PreviewRecord) -> [PathBuf; 2] {
    [layout.source(record.id), layout.mirror(record.repository.get()).join("objects")]
}

/// Asked for by name, granted by name: nothing is a pattern.
fn secrets(
    config: &PreviewConfig,
    record: &PreviewRecord,
    meta: &Meta,
) -> Result<Vec<(EnvName, PathBuf)>, DeployError> {
    if !record.is_trusted {
        return Ok(Vec::new());
    }
    let find = |name: &EnvName| {
        let grant = config.secrets.iter().find(|grant| grant.name == *name);
        match grant.filter(|grant| grant.repositories.contains(&record.repo)) {
            Some(grant) => Ok((name.clone(), grant.source.clone())),
            None => Err(DeployError::NotGranted { name: name.clone(), repo: record.repo.clone() }),
        }
    };
    meta.host_secrets.iter().map(find).collect()
}

/// The host's GPU, where the repository is granted it. As with secrets, what
/// strangers wrote gets none: through the driver it would reach much of the kernel.
pub(super) fn gpu(config: &Config, record: &PreviewRecord) -> Option<Gpu> {
    let config = config.gpu.as_ref()?;
    let is_granted = record.is_trusted && config.repositories.contains(&record.repo);
    is_granted.then(|| config.gpu.clone())
}

fn token(config: &PreviewConfig, record: &PreviewRecord) -> Option<PathBuf> {
    let is_granted = record.is_trusted && config.token_repositories.contains(&record.repo);
    config.token.clone().filter(|_| is_granted)
}
