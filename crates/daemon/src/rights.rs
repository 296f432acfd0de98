//! What `berthd` and the tools that it starts may do.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// What is kept, each with who needs it. Children get no more than the
/// bounding set, so this is also what `nixos-container`, `nft`, `systemd-run`
/// and `git` have. The system bus asks for the user alone: `systemctl` needs
/// none.
const KEPT: [Capability; 14] = [
    // Roots of containers belong to shifted users.
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    // Modes with set-id bits of files in there survive a change of owner.
    Capability::CAP_FSETID,
    // Children that run as other users are ended at their deadlines.
    Capability::CAP_KILL,
    // Tools run as `berth-git` and `berth-build`.
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    // Taking capabilities out of the bounding set, and systemd's tools too.
    Capability::CAP_SETPCAP,
    // /var/empty is immutable; `nixos-container destroy` and removal undo that.
    Capability::CAP_LINUX_IMMUTABLE,
    // The firewall table.
    Capability::CAP_NET_ADMIN,
    // `systemd-run -M` joins a container's namespaces to reach its bus.
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_SYS_PTRACE,
];

/// Gives up everything else, for this thread and for all that it starts: call
/// it before there are others.
pub fn give_up() -> Result<(), CapsError> {
    let kept: CapsHashSet = KEPT.into_iter().collect();
    let bounding = caps::read(None, CapSet::Bounding)?;
    for capability in bounding.difference(&kept) {
        caps::drop(None, CapSet::Bounding, *capability)?;
    }
    caps::clear(None, CapSet::Ambient)?;
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = permitted.intersection(&kept).copied().collect();
    // What is effective must be permitted, in this order.
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread of its own: capabilities are a thread's.
    #[test]
    fn what_is_not_kept_is_gone_and_cannot_come_back() {
        std::thread::spawn(|| {
            if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).expect("read") {
                return;
            }
            give_up().expect("given up");
            for set in [CapSet::Bounding, CapSet::Permitted, CapSet::Effective] {
                let left = caps::read(None, set).expect("read");
                let too_much: Vec<_> = left.iter().filter(|one| !KEPT.contains(one)).collect();
                assert!(too_much.is_empty(), "{set:?}: {too_much:?}");
            }
            assert!(caps::raise(None, CapSet::Permitted, Capability::CAP_SYS_MODULE).is_err());
            give_up().expect("a second time changes nothing");
        })
        .join()
        .expect("the thread ends well");
    }
}
