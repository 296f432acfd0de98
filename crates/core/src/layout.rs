//! Where everything lies on the host.

use std::path::{Path, PathBuf};

use crate::{ContainerName, PreviewId};

/// All paths that Berth uses, below one root: `/` on a host, a temporary
/// folder in a test. Nothing else joins path texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of a real host.
    pub fn host() -> Self {
        Self::below("/")
    }

    /// The same layout below another root.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("etc/berth/berth.toml")
    }

    /// Folder of all that Berth keeps.
    pub fn data_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth")
    }

    /// Folder of the state database, 0700.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/state")
    }

    /// The state database.
    pub fn database(&self) -> PathBuf {
        self.state_dir().join("berth.db")
    }

    /// Folder of the tickets of changes to the routes, 0700.
    pub fn route_tickets_dir(&self) -> PathBuf {
        self.run_dir().join("routes")
    }

    /// Folder of Berth's own client key, 0700.
    pub fn keys_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/keys")
    }

    /// Berth's own client key, with which `agent ssh` enters.
    pub fn client_key(&self) -> PathBuf {
        self.keys_dir().join("client_ed25519")
    }

    /// Folder of the indirect garbage-collector roots.
    pub fn gc_roots_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/gcroots")
    }

    /// The garbage-collector root of the closure with this row id.
    pub fn gc_root(&self, closure_id: i64) -> PathBuf {
        self.gc_roots_dir().join(format!("closure-{closure_id}"))
    }

    /// Folder of files that are bound into every container, 0755.
    pub fn guest_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/guest")
    }

    /// The containers' resolv.conf: it names the services address.
    pub fn guest_resolv_conf(&self) -> PathBuf {
        self.guest_dir().join("resolv.conf")
    }

    /// Folder of the mirrors of repositories, owned by the user that runs git.
    pub fn mirrors_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/mirrors")
    }

    /// The bare mirror of the repository with this row id.
    pub fn mirror(&self, repository: i64) -> PathBuf {
        self.mirrors_dir().join(format!("{repository}.git"))
    }

    /// Folder of the previews' own source repositories, owned by the user that
    /// runs git.
    pub fn sources_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/sources")
    }

    /// A preview's own source repository, bound into its containers.
    pub fn source(&self, id: PreviewId) -> PathBuf {
        self.sources_dir().join(id.source_repository())
    }

    /// Folder of what only root reads and no process is told, 0700.
    pub fn secrets_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/secrets")
    }

    /// The password of a preview's database role, 0600.
    pub fn database_password(&self, id: PreviewId) -> PathBuf {
        self.secrets_dir().join(id.database())
    }

    /// What is mixed into hashes of secrets, 0600.
    pub fn digest_salt(&self) -> PathBuf {
        self.secrets_dir().join("salt")
    }

    /// Folder of what the web server reads.
    pub fn caddy_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/caddy")
    }

    /// The one wildcard site of all previews, which the operator's Caddyfile
    /// imports.
    pub fn site_file(&self) -> PathBuf {
        self.caddy_dir().join("site.caddy")
    }

    /// Folder of the route files that the wildcard site imports.
    pub fn routes_dir(&self) -> PathBuf {
        self.caddy_dir().join("routes")
    }

    /// The route file of a preview.
    pub fn route_file(&self, id: PreviewId) -> PathBuf {
        self.routes_dir().join(id.route_file())
    }

    /// Folder of the route files as the web server last took them.
    pub fn good_routes_dir(&self) -> PathBuf {
        self.caddy_dir().join("good")
    }

    /// Folder of what Nix said while it built the closures of previews, 0700.
    pub fn build_logs_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/logs")
    }

    /// What Nix said while it built the closure with this row id.
    pub fn build_log(&self, closure_id: i64) -> PathBuf {
        self.build_logs_dir().join(format!("closure-{closure_id}.log"))
    }

    /// Folder of what is gone after a reboot.
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run/berth")
    }

    /// The socket on which `berthd` is asked what it does.
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir().join("berthd.sock")
    }

    /// The lock of the one `berthd`.
    pub fn daemon_lock(&self) -> PathBuf {
        self.run_dir().join("berthd.lock")
    }

    /// The socket on which `berthd` tells its metrics.
    pub fn metrics_socket(&self) -> PathBuf {
        self.run_dir().join("metrics.sock")
    }

    /// Folder of what `preview-webhook` stored and `berthd` did not take.
    pub fn rejected_dir(&self) -> PathBuf {
        self.root.join("var/lib/berth/rejected")
    }

    /// Folder of the locks of berths under change.
    pub fn lock_dir(&self) -> PathBuf {
        self.run_dir().join("lock")
    }

    /// The lock of one berth.
    pub fn lock(&self, name: ContainerName) -> PathBuf {
        self.lock_dir().join(name.to_string())
    }

    /// Folder of the pinned host keys that `ssh` reads.
    pub fn known_hosts_dir(&self) -> PathBuf {
        self.run_dir().join("known-hosts")
    }

    /// The pinned host key of one container.
    pub fn known_hosts(&self, name: ContainerName) -> PathBuf {
        self.known_hosts_dir().join(name.to_string())
    }

    /// Folder of the sockets through which ssh sessions share a login, 0700.
    pub fn shared_logins_dir(&self) -> PathBuf {
        self.run_dir().join("ssh")
    }

    /// The socket of the login that proved that a container is up.
    pub fn shared_login(&self, name: ContainerName) -> PathBuf {
        self.shared_logins_dir().join(name.to_string())
    }

    /// Folder of nixos-container's configuration files.
    pub fn conf_dir(&self) -> PathBuf {
        self.root.join("etc/nixos-containers")
    }

    /// A container's configuration file.
    pub fn conf(&self, name: ContainerName) -> PathBuf {
        self.conf_dir().join(format!("{name}.conf"))
    }

    /// The folders in which each container has one that it can write to, all
    /// of them 0700: with idmapped mounts a set-uid file of container root is a
    /// set-uid root file on the host.
    pub fn writable_from_inside(&self) -> [PathBuf; 3] {
        [self.container_roots_dir(), self.profiles_dir(), self.container_gc_roots_dir()]
    }

    /// Folder of the container roots.
    pub fn container_roots_dir(&self) -> PathBuf {
        self.root.join("var/lib/nixos-containers")
    }

    /// A container's root. The container owns what lies below: go through
    /// handles that follow no symlink.
    pub fn container_root(&self, name: ContainerName) -> PathBuf {
        self.container_roots_dir().join(name.to_string())
    }

    /// Folder of the profiles that nixos-container keeps.
    pub fn profiles_dir(&self) -> PathBuf {
        self.root.join("nix/var/nix/profiles/per-container")
    }

    /// A container's profile folder, writable from inside: never resolved.
    pub fn profile(&self, name: ContainerName) -> PathBuf {
        self.profiles_dir().join(name.to_string())
    }

    /// Folder of the garbage-collector roots that containers make.
    pub fn container_gc_roots_dir(&self) -> PathBuf {
        self.root.join("nix/var/nix/gcroots/per-container")
    }

    /// A container's own garbage-collector roots, writable from inside.
    pub fn container_gc_roots(&self, name: ContainerName) -> PathBuf {
        self.container_gc_roots_dir().join(name.to_string())
    }

    /// Folders below which `systemctl set-property` keeps its drop-ins.
    pub fn unit_control_dirs(&self) -> [PathBuf; 2] {
        [self.root.join("etc/systemd/system.control"), self.root.join("run/systemd/system.control")]
    }

    /// Folder in which nspawn links the journals of its guests.
    pub fn journal_links_dir(&self) -> PathBuf {
        self.root.join("var/log/journal")
    }

    /// Folder of the kernel's network interfaces.
    pub fn interfaces_dir(&self) -> PathBuf {
        self.root.join("sys/class/net")
    }

    /// Folder of the machines that systemd-machined has registered.
    pub fn machines_dir(&self) -> PathBuf {
        self.root.join("run/systemd/machines")
    }

    /// Folder of the folders through which nspawn passes mounts on to its
    /// guests; an nspawn that was killed leaves its own.
    pub fn propagation_dir(&self) -> PathBuf {
        self.root.join("run/systemd/nspawn/propagate")
    }

    /// Folder of the file systems on which nspawn (since systemd 256) lets each
    /// guest offer sockets to the host; an nspawn that was killed leaves its
    /// own, and the next one of that name then refuses to start.
    pub fn socket_export_dir(&self) -> PathBuf {
        self.root.join("run/systemd/nspawn/unix-export")
    }

    /// An absolute path that the operator names.
    pub fn on_host(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Folder that the kernel shows while it has this module.
    pub fn kernel_module(&self, module: &str) -> PathBuf {
        self.root.join("sys/module").join(module)
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_found_where_nixos_container_puts_it() {
        let layout = Layout::host();
        let name: ContainerName = "a12".parse().expect("a container");
        assert_eq!(layout.conf(name), Path::new("/etc/nixos-containers/a12.conf"));
        assert_eq!(layout.container_root(name), Path::new("/var/lib/nixos-containers/a12"));
        assert_eq!(layout.profile(name), Path::new("/nix/var/nix/profiles/per-container/a12"));
    }

    #[test]
    fn a_layout_below_a_folder_stays_below_it() {
        let layout = Layout::below("/tmp/test");
        assert_eq!(layout.database(), Path::new("/tmp/test/var/lib/berth/state/berth.db"));
        assert_eq!(layout.config_file(), Path::new("/tmp/test/etc/berth/berth.toml"));
        assert_eq!(layout.on_host(Path::new("/dev/nvidia0")), Path::new("/tmp/test/dev/nvidia0"));
    }
}
