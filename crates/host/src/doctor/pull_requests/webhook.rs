//! The units of `preview-webhook`, as the documents name them. Where it runs
//! is known to systemd alone: Berth's configuration does not say.

use crate::doctor::Finding;
use crate::exec::Invocation;

const WEBHOOK: &str = "webhook";
const SOCKET: &str = "preview-webhook.socket";
const SERVICE: &str = "preview-webhook.service";

/// What systemd says of a unit.
struct Unit<'a>(&'a str);

impl<'a> Unit<'a> {
    fn is(&self, property: &str, value: &str) -> bool {
        self.values(property).any(|found| found == value)
    }

    fn values(&self, property: &str) -> impl Iterator<Item = &'a str> {
        let lines = self.0.lines().filter_map(|line| line.split_once('='));
        lines.filter(move |(key, _)| *key == property).map(|(_, value)| value)
    }
}

pub(super) async fn check() -> Vec<Finding> {
    let mut shown = Vec::new();
    for unit in [SOCKET, SERVICE] {
        let call = Invocation::new("systemctl")
            .args(["show", "--property=LoadState,ActiveState,SubState,Listen", "--", unit])
            .aim(format!("look at {unit}"));
        match call.run().await {
            Ok(output) => shown.push(output.stdout.text().into_owned()),
            Err(error) => return vec![Finding::unknown(WEBHOOK, &error)],
        }
    }
    judge(&Unit(&shown[0]), &Unit(&shown[1]))
}

/// A service that is not up is well: the first connection starts it.
fn judge(socket: &Unit<'_>, service: &Unit<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if socket.is("LoadState", "not-found") && service.is("LoadState", "not-found") {
        return vec![Finding::warning(
            WEBHOOK,
            format!("there is no `{SOCKET}`: pull requests are only seen when they are compared"),
            "install the units of preview-webhook",
        )];
    }
    // Without the socket a service may listen by itself.
    let listens = socket.is("ActiveState", "active")
        || (socket.is("LoadState", "not-found") && service.is("ActiveState", "active"));
    if !listens {
        findings.push(Finding::error(
            WEBHOOK,
            format!("`{SOCKET}` does not listen: GitHub's deliveries are lost"),
            format!("`systemctl enable --now {SOCKET}`"),
        ));
    }
    if service.is("ActiveState", "failed") || service.is("SubState", "auto-restart") {
        findings.push(Finding::error(
            WEBHOOK,
            "it does not stay up: GitHub's deliveries are lost",
            format!("`journalctl -u {SERVICE}` says why"),
        ));
    }
    if findings.is_empty() {
        let places: Vec<&str> = socket.values("Listen").collect();
        let places = if places.is_empty() { "its own address".to_owned() } else { places.join(", ") };
        findings.push(Finding::ok(WEBHOOK, format!("it takes deliveries at {places}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET_UP: &str =
        "LoadState=loaded\nActiveState=active\nSubState=running\nListen=127.0.0.1:9000 (Stream)\n";
    const SERVICE_WAITS: &str = "LoadState=loaded\nActiveState=inactive\nSubState=dead\n";
    const NONE: &str = "LoadState=not-found\nActiveState=inactive\nSubState=dead\n";

    fn told(socket: &str, service: &str) -> String {
        let findings = judge(&Unit(socket), &Unit(service));
        let line = |finding: &Finding| format!("{:?}: {}\n", finding.severity, finding.message);
        findings.iter().map(line).collect()
    }

    #[test]
    fn a_socket_that_listens_is_enough() {
        assert_eq!(told(SOCKET_UP, SERVICE_WAITS), "Ok: it takes deliveries at 127.0.0.1:9000 (Stream)\n");
        let up = "LoadState=loaded\nActiveState=active\nSubState=running\n";
        assert_eq!(told(NONE, up), "Ok: it takes deliveries at its own address\n");
    }

    #[test]
    fn deliveries_that_nobody_takes_are_told() {
        let failing = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n";
        let down = "LoadState=loaded\nActiveState=inactive\nSubState=dead\n";
        insta::assert_snapshot!(told(down, failing), @r"
        Error: `preview-webhook.socket` does not listen: GitHub's deliveries are lost
        Error: it does not stay up: GitHub's deliveries are lost
        ");
        insta::assert_snapshot!(told(NONE, NONE), @"Warning: there is no `preview-webhook.socket`: pull requests are only seen when they are compared");
    }
}
