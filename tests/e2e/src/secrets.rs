//! Where on the host a secret could have leaked to.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_testhost::{Running, TestHost, wait_until};

/// Looks for the lines on stdin in what others than their owner read: logs, the
/// records, command lines and environments of all processes, units, what the
/// Nix store got since the start, route files, what came from GitHub, core
/// files. Prints where one of them is.
const LOOK: &str = r#"
secrets=$(mktemp -p /run)
trap 'rm -f "$secrets"' EXIT
cat >"$secrets"
has() { grep -aqF -f "$secrets"; }
journalctl --sync
journalctl -q -a -o export --no-pager | has && echo journal
grep -alF -f "$secrets" -r /var/lib/berth/state /var/lib/berth/logs /var/lib/berth/caddy /var/lib/berth/mirrors \
  /var/lib/berth/sources /var/lib/berth/rejected /var/lib/private /var/log/postgresql /var/lib/postgresql \
  /var/lib/caddy /etc/nixos-containers /run/systemd/transient /etc/systemd/system.control 2>/dev/null
started=$(systemctl show --property UserspaceTimestamp --value)
find /nix/store -xdev -type f -newerct "$started" -exec grep -alF -f "$secrets" {} +
# Where the kernel puts them, and where systemd-coredump does.
find / -xdev \( -path /nix -o -path /proc -o -path /sys -o -path /var/lib/nixos-containers \) -prune \
  -o -type f \( -name core -o -name 'core.*' \) -exec grep -alF -f "$secrets" {} +
for process in /proc/[0-9]*; do
  tr '\0' ' ' <"$process/cmdline" 2>/dev/null | has && echo "argv of ${process#/proc/}"
  # Of the host's own processes: those of the container may know it.
  [ "$(readlink "$process/ns/pid" 2>/dev/null)" = "$(readlink /proc/self/ns/pid)" ] &&
    tr '\0' '\n' <"$process/environ" 2>/dev/null | has && echo "environment of ${process#/proc/}"
done
for told in "preview events --json" "preview list --json" "preview jobs --all --json" "agent events --json"; do
  $told 2>&1 | has && echo "$told"
done
exit 0
"#;
const SAMPLER: &str = include_str!("sampler.py");
const SOON: Duration = Duration::from_mins(1);

/// Every place where a secret is and must not be.
///
/// # Panics
/// If the host cannot be looked through.
#[track_caller]
pub fn places_with(host: &TestHost, secret: &str) -> Vec<String> {
    places_with_any(host, &[secret])
}

/// Every place where one of these is, each a line of text, and must not be.
///
/// # Panics
/// If the host cannot be looked through.
#[track_caller]
pub fn places_with_any(host: &TestHost, secrets: &[&str]) -> Vec<String> {
    assert!(secrets.iter().all(|secret| secret.len() >= 8), "too short to be looked for");
    let found = host.command("bash").args(["-c", LOOK]).stdin(secrets.join("\n")).ok().stdout;
    found.lines().map(str::to_owned).collect()
}

/// Writes down command lines and environments of all processes of a host, from
/// its beginning to [`Sampler::end`].
#[derive(Debug)]
pub struct Sampler(Running);

impl Sampler {
    /// Begins, and returns when it does.
    ///
    /// # Panics
    /// If it does not begin.
    #[track_caller]
    pub fn begin(host: &TestHost) -> Self {
        let sampler = host.command("python3").args(["-c", SAMPLER]).deadline(Duration::from_mins(10)).spawn();
        wait_until(SOON, "the sampler is there", || sampler.stderr_so_far().contains("samples"));
        Self(sampler)
    }

    /// Ends it and tells what it saw: texts by `argv` and `environment` of the
    /// host's own processes, and by `argv inside` of those of containers.
    ///
    /// # Panics
    /// If it saw nothing.
    #[track_caller]
    pub fn end(self) -> BTreeMap<String, Vec<String>> {
        self.0.signal(crate::Signal::TERM);
        let output = self.0.wait();
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
    }
}
