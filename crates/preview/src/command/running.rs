//! What needs a container that runs.

use berth_core::{ContainerName, Name};
use berth_host::Host;
use berth_host::previews;
use berth_term::{Code, Failure};

/// The container of a preview, and whether it runs: one that does is known to
/// systemd-machined, which costs no process to see.
pub(super) async fn look(host: &Host, slug: &Name) -> Result<(ContainerName, bool), Failure> {
    let container = previews::container_of(host, slug).await?;
    Ok((container, host.layout.machines_dir().join(container.to_string()).exists()))
}

/// The container of a preview that runs, or the error that it does not.
pub(super) async fn running(host: &Host, program: &str, slug: &Name) -> Result<ContainerName, Failure> {
    let (container, is_running) = look(host, slug).await?;
    if is_running { Ok(container) } else { Err(not_running(host, program, slug).await) }
}

/// What to say about a preview whose container should run and does not.
pub(super) async fn not_running(host: &Host, program: &str, slug: &Name) -> Failure {
    match previews::view(host, slug).await {
        Ok(preview) => Failure::new(Code::Failed, told(program, slug, &preview.state)),
        Err(error) => error.into(),
    }
}

fn told(program: &str, slug: &Name, state: &str) -> String {
    let told = match state {
        "stopped" => format!("is stopped; start it with `{program} restart {slug}`"),
        "failed" => format!(
            "has failed, and its container does not run; see `{program} logs {slug}`, then `{program} update {slug}`"
        ),
        "ready" | "running" => "runs by now; try again".to_owned(),
        "destroying" => "is being removed".to_owned(),
        other => format!("is {other}, and its container does not run; wait until it does"),
    };
    format!("the preview `{slug}` {told}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_that_does_not_run_is_told_with_the_way_out() {
        let slug: Name = "site-12".parse().expect("a name");
        let states = ["stopped", "failed", "starting", "building", "destroying", "ready"];
        let told: Vec<String> = states.iter().map(|state| told("preview", &slug, state)).collect();
        insta::assert_snapshot!(told.join("\n"), @"
        the preview `site-12` is stopped; start it with `preview restart site-12`
        the preview `site-12` has failed, and its container does not run; see `preview logs site-12`, then `preview update site-12`
        the preview `site-12` is starting, and its container does not run; wait until it does
        the preview `site-12` is building, and its container does not run; wait until it does
        the preview `site-12` is being removed
        the preview `site-12` runs by now; try again
        ");
    }
}
