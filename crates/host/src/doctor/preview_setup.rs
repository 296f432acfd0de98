//! What previews need of the host: programs, users, Caddy, PostgreSQL, secrets.

use std::path::Path;

use berth_core::config::PreviewConfig;
use berth_core::site::Tls;

use super::Finding;
use crate::caddy::CaddyError;
use crate::exec::{self, Invocation};
use crate::host::Host;
use crate::nix::evaluation;
use crate::postgres::PostgresError;
use crate::repos;
use crate::secret_file;
use crate::state::StateError;

const TOOLS: &str = "preview tools";
const USERS: &str = "preview users";
const CADDY: &str = "caddy";
const CERTIFICATE: &str = "certificate";
const POSTGRES: &str = "postgres";
const SECRETS: &str = "secrets";

/// What previews need beyond what agents do, and what for.
const PROGRAMS: [(&str, &str); 6] = [
    ("git", "install git"),
    ("caddy", "install Caddy 2.6 or newer"),
    ("nix-store", "install Nix"),
    ("timeout", "install coreutils"),
    ("flock", "install util-linux"),
    ("find", "install findutils"),
];

pub(super) async fn check(host: &Host) -> Vec<Finding> {
    let Some(config) = &host.config.preview else { return Vec::new() };
    let mut findings = programs();
    findings.push(users().await);
    findings.push(caddy(host, config).await);
    findings.extend(certificate(config));
    findings.push(postgres(host).await);
    findings.extend(secrets(config));
    findings
}

fn programs() -> Vec<Finding> {
    let missing = PROGRAMS.iter().filter(|(program, _)| exec::find(program).is_none());
    let findings: Vec<Finding> = missing
        .map(|(program, way_out)| Finding::error(TOOLS, format!("`{program}` is not installed"), *way_out))
        .collect();
    if findings.is_empty() {
        return vec![Finding::ok(TOOLS, "git, Caddy and what else previews need are there")];
    }
    findings
}

async fn users() -> Finding {
    for user in [repos::USER, evaluation::USER] {
        let asked = Invocation::new("getent").args(["passwd", user]).aim("look for a user").run_any().await;
        match asked {
            Ok(output) if output.exit.is_success() => {}
            Ok(_) => {
                return Finding::error(
                    USERS,
                    format!("there is no user `{user}`"),
                    format!("`useradd --system --user-group {user}`"),
                );
            }
            Err(error) => return Finding::unknown(USERS, &error),
        }
    }
    Finding::ok(USERS, format!("`{}` and `{}` are there", repos::USER, evaluation::USER))
}

async fn caddy(host: &Host, config: &PreviewConfig) -> Finding {
    if !host.layout.site_file().exists() {
        return Finding::ok(CADDY, "nothing is served yet: the first preview makes the site");
    }
    match host.tools.caddy.serves(&config.domain).await {
        Ok(true) => Finding::ok(CADDY, format!("it serves *.{}", config.domain)),
        Ok(false) => Finding::error(
            CADDY,
            format!("it runs, and does not serve *.{}", config.domain),
            format!(
                "add `import {}/*.caddy` to `{}` and reload it",
                host.layout.caddy_dir().display(),
                config.caddy.config.display()
            ),
        ),
        Err(CaddyError::NotRunning) => Finding::error(
            CADDY,
            "it does not run",
            "`systemctl start caddy`, and look at its log if it ends",
        ),
        Err(error) => Finding::unknown(CADDY, &error),
    }
}

fn certificate(config: &PreviewConfig) -> Vec<Finding> {
    let Tls::Files { certificate, key } = &config.tls else { return Vec::new() };
    let missing = [certificate, key].into_iter().filter(|path| !path.is_file());
    missing
        .map(|path| {
            let message = format!("`{}` is no file", path.display());
            Finding::error(CERTIFICATE, message, "put it there, or set `preview.tls` to another mode")
        })
        .collect()
}

/// An error only where a preview has a database: others need no PostgreSQL.
async fn postgres(host: &Host) -> Finding {
    let is_used = async {
        let records = host.state.previews().await?;
        Ok::<_, StateError>(records.iter().any(|record| record.has_database))
    };
    let is_used = match is_used.await {
        Ok(is_used) => is_used,
        Err(error) => return Finding::unknown(POSTGRES, &error),
    };
    match host.tools.postgres.list().await {
        Ok(found) => {
            Finding::ok(POSTGRES, format!("it lets Berth in, and has {} databases of previews", found.len()))
        }
        Err(error @ PostgresError::NotThere { .. }) if !is_used => Finding::warning(
            POSTGRES,
            error.to_string(),
            "without it, previews that want a database of the host fail",
        ),
        Err(error) => Finding::unknown(POSTGRES, &error),
    }
}

fn secrets(config: &PreviewConfig) -> Vec<Finding> {
    let grants = config.secrets.iter().map(|grant| (grant.name.to_string(), grant.source.as_path()));
    let token = config.token.iter().map(|path| ("the token of the forge".to_owned(), path.as_path()));
    let unreadable = grants.chain(token).filter_map(|(name, path)| unreadable(&name, path));
    unreadable.collect()
}

fn unreadable(name: &str, path: &Path) -> Option<Finding> {
    let error = secret_file::read_line(path).err()?;
    Some(Finding::error(
        SECRETS,
        format!("{name}: {}", crate::agents::chain(&error)),
        "put it there, or take it out of the configuration",
    ))
}
