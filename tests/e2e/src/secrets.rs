//! Where on the host a secret could have leaked to.

use berth_testhost::TestHost;

/// Looks for the text on stdin in what others than its owner read: logs, the
/// records, command lines and environments of all processes, units, the Nix
/// store's own files of this boot, and route files. Prints where it is.
const LOOK: &str = r#"
secret=$(cat)
journalctl --sync
journalctl -q -a -o export --no-pager | grep -aqF -- "$secret" && echo journal
grep -alF -- "$secret" -r /var/lib/berth/state /var/lib/berth/logs /var/lib/berth/caddy /var/lib/berth/mirrors \
  /var/lib/berth/sources /var/log/postgresql /var/lib/caddy /etc/nixos-containers /run/systemd/transient \
  /etc/systemd/system.control 2>/dev/null
for process in /proc/[0-9]*; do
  tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -qF -- "$secret" && echo "argv of ${process#/proc/}"
  # Of the host's own processes: those of the container may know it.
  [ "$(readlink "$process/ns/pid" 2>/dev/null)" = "$(readlink /proc/self/ns/pid)" ] &&
    tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qF -- "$secret" && echo "environment of ${process#/proc/}"
done
for events in "preview events --json" "preview list --json" "agent events --json"; do
  $events | grep -qF -- "$secret" && echo "$events"
done
exit 0
"#;

/// Every place where a secret is and must not be.
///
/// # Panics
/// If the host cannot be looked through.
#[track_caller]
pub fn places_with(host: &TestHost, secret: &str) -> Vec<String> {
    assert!(secret.len() >= 8, "too short to be looked for");
    let found = host.command("bash").args(["-c", LOOK]).stdin(secret).ok().stdout;
    found.lines().map(str::to_owned).collect()
}
