//! These tests run as root: they change owners and set inode flags. Without
//! root they fail rather than skip.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, IFlags, Mode};
use tempfile::TempDir;

use super::*;

/// A folder of roots with the root `a1`, and beside it a host that must stay
/// as it is.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test needs root: it changes owners");
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("roots/a1")).unwrap();
        fs::create_dir_all(dir.path().join("host")).unwrap();
        fs::write(dir.path().join("host/file"), "of the host").unwrap();
        Self { dir }
    }

    fn roots(&self) -> PathBuf {
        self.dir.path().join("roots")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.roots().join("a1").join(path)
    }

    fn host(&self) -> PathBuf {
        self.dir.path().join("host")
    }

    fn open(&self) -> RootDir {
        RootDir::open(&self.roots(), "a1").unwrap()
    }

    fn write(&self, path: &str) -> Result<(), RootedError> {
        self.open().write_file(path, b"secret", Owner { uid: 1000, gid: 100 }, 0o400)
    }

    fn assert_host_unchanged(&self) {
        let names: Vec<_> = fs::read_dir(self.host()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["file"]);
        assert_eq!(fs::read_to_string(self.host().join("file")).unwrap(), "of the host");
    }
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

fn set_flags(path: &Path, flags: IFlags) {
    let file = fs::File::open(path).unwrap();
    let old = rustix::fs::ioctl_getflags(&file).unwrap();
    rustix::fs::ioctl_setflags(&file, old | flags)
        .expect("this test needs a file system with inode flags, such as ext4");
}

#[test]
fn a_file_gets_its_content_owner_and_mode_and_its_folders_are_made() {
    let world = World::new();
    world.write("etc/berth/credentials/claude").unwrap();
    let meta = fs::metadata(world.at("etc/berth/credentials/claude")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (1000, 100, 0o400));
    assert_eq!(fs::read(world.at("etc/berth/credentials/claude")).unwrap(), b"secret");
    for folder in ["etc", "etc/berth", "etc/berth/credentials"] {
        let meta = fs::metadata(world.at(folder)).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (0, 0, 0o755), "{folder}");
    }
    let left: Vec<_> = fs::read_dir(world.at("etc/berth/credentials")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn owners_are_shifted_by_the_upper_half_of_the_roots_owner() {
    let world = World::new();
    let base = 0x0ab0_0000;
    for root_inside in [0, 1000] {
        std::os::unix::fs::chown(world.at(""), Some(base + root_inside), Some(base)).unwrap();
        world.write("new/file").unwrap();
        let meta = fs::metadata(world.at("new/file")).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (base + 1000, base + 100));
        assert_eq!(fs::metadata(world.at("new")).unwrap().uid(), base);
    }
}

#[test]
fn a_root_whose_owner_and_group_are_of_different_ranges_is_refused() {
    let world = World::new();
    std::os::unix::fs::chown(world.at(""), Some(0x0ab0_0000), Some(0)).unwrap();
    let error = RootDir::open(&world.roots(), "a1").unwrap_err();
    assert!(matches!(error, RootedError::OddOwner { .. }), "{error}");
}

#[test]
fn a_credential_is_never_readable_by_others_while_it_is_written() {
    let world = World::new();
    fs::create_dir_all(world.at("etc")).unwrap();
    let folder = world.at("etc");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for entry in fs::read_dir(&folder).unwrap().flatten() {
                    if let Ok(meta) = entry.metadata() {
                        assert_eq!(meta.mode() & 0o077, 0, "{:?}", entry.path());
                        seen += 1;
                    }
                }
            }
            seen
        });
        for _ in 0..300 {
            world.write("etc/credential").unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(watch.join().unwrap() > 0, "the twin: the file was seen");
    });
}

#[test]
fn what_stands_under_the_name_is_replaced_and_never_followed() {
    let world = World::new();
    fs::create_dir_all(world.at("etc")).unwrap();
    symlink(world.host().join("file"), world.at("etc/link")).unwrap();
    symlink(world.host().join("file"), world.at("etc/.berth-new-link")).unwrap();
    fifo(&world.at("etc/pipe"));
    fs::hard_link(world.host().join("file"), world.at("etc/hard")).unwrap();
    for path in ["etc/link", "etc/pipe", "etc/hard"] {
        world.write(path).unwrap();
        assert_eq!(world.open().look(path).unwrap(), Some(Kind::Regular), "{path}");
        assert_eq!(fs::read(world.at(path)).unwrap(), b"secret");
    }
    world.assert_host_unchanged();
}

#[test]
fn a_folder_on_the_way_that_is_none_is_refused_and_named() {
    type Plant = fn(&World, &Path);
    let plants: [(&str, Plant); 5] = [
        ("an absolute symlink", |world, path| symlink(world.host(), path).unwrap()),
        ("a relative symlink", |_, path| symlink("../../../host", path).unwrap()),
        ("a symlink within the root", |_, path| symlink("usr", path).unwrap()),
        ("a file", |_, path| fs::write(path, "x").unwrap()),
        ("a FIFO", |_, path| fifo(path)),
    ];
    for (what, plant) in plants {
        for planted in ["etc", "etc/berth", "etc/berth/credentials"] {
            let world = World::new();
            let path = world.at(planted);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::create_dir_all(world.at("usr")).unwrap();
            plant(&world, &path);
            let error = world.write("etc/berth/credentials/claude").unwrap_err();
            assert!(
                matches!(&error, RootedError::Blocked { path: named, .. } if *named == path),
                "{what}: {error}"
            );
            world.assert_host_unchanged();
        }
    }
}

#[test]
fn the_message_names_the_path_what_it_is_and_what_belongs_there() {
    let world = World::new();
    symlink("/etc", world.at("etc")).unwrap();
    assert_eq!(
        world.write("etc/x").unwrap_err().to_string(),
        format!(
            "`{}` is a symlink to `/etc`, not a directory: not followed, not replaced",
            world.at("etc").display()
        )
    );
}

#[test]
fn a_directory_under_the_name_is_refused() {
    let world = World::new();
    for name in ["etc/x", "etc/.berth-new-y"] {
        fs::create_dir_all(world.at(name)).unwrap();
    }
    for path in ["etc/x", "etc/y"] {
        assert!(
            matches!(world.write(path), Err(RootedError::Blocked { found: Kind::Directory, .. })),
            "{path}"
        );
    }
}

#[test]
fn paths_that_are_not_below_are_refused() {
    let world = World::new();
    for path in ["", "/etc/x", "../host/file", "etc/../../host/file", "."] {
        assert!(matches!(world.write(path), Err(RootedError::NotBelow { .. })), "{path}");
    }
    for name in ["", "..", "a1/..", "/", "x/y"] {
        assert!(RootDir::open(&world.roots(), name).is_err(), "{name}");
        assert!(remove_tree(&world.roots(), name).is_err(), "{name}");
    }
    world.assert_host_unchanged();
}

#[test]
fn a_root_that_is_a_symlink_is_refused_and_an_absent_one_is_told() {
    let world = World::new();
    symlink(world.host(), world.roots().join("a2")).unwrap();
    assert!(matches!(RootDir::open(&world.roots(), "a2"), Err(RootedError::Blocked { .. })));
    assert!(matches!(remove_tree(&world.roots(), "a2"), Err(RootedError::Blocked { .. })));
    let absent = RootDir::open(&world.roots(), "a3").unwrap_err();
    assert_eq!(absent.to_string(), format!("`{}` does not exist", world.roots().join("a3").display()));
    RootDir::create(&world.roots(), "a3").unwrap();
    RootDir::open(&world.roots(), "a3").expect("it was made");
    world.assert_host_unchanged();
}

#[test]
fn reading_is_bounded_and_neither_follows_nor_blocks() {
    let world = World::new();
    let root = world.open();
    fs::write(world.at("file"), "12345").unwrap();
    symlink(world.host().join("file"), world.at("link")).unwrap();
    symlink(world.host(), world.at("folder")).unwrap();
    fifo(&world.at("pipe"));
    assert_eq!(root.read_file("file", 5).unwrap().unwrap(), b"12345");
    assert!(matches!(root.read_file("file", 4), Err(RootedError::TooLarge { size: 5, limit: 4, .. })));
    assert_eq!(root.read_file("absent", 5).unwrap(), None);
    assert_eq!(root.read_file("absent/file", 5).unwrap(), None);
    for path in ["link", "folder/file", "pipe", "file/x"] {
        assert!(matches!(root.read_file(path, 100), Err(RootedError::Blocked { .. })), "{path}");
    }
}

#[test]
fn a_listing_is_bounded_and_tells_what_things_are() {
    let world = World::new();
    fs::create_dir(world.at("d")).unwrap();
    fs::write(world.at("d/file"), "123").unwrap();
    symlink("/etc", world.at("d/link")).unwrap();
    let listing = world.open().list("d", 10).unwrap().unwrap();
    let mut found: Vec<_> = listing.entries.into_iter().map(|e| (e.name, e.kind)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, [("file".into(), Kind::Regular), ("link".into(), Kind::Symlink("/etc".into()))]);
    assert!(!listing.is_cut);
    assert!(world.open().list("d", 1).unwrap().unwrap().is_cut);
    assert!(world.open().list("absent", 1).unwrap().is_none());
    assert!(matches!(world.open().list("d/link", 1), Err(RootedError::Blocked { .. })));
}

#[test]
fn a_file_or_link_is_removed_itself_and_a_folder_is_refused() {
    let world = World::new();
    let root = world.open();
    fs::create_dir(world.at("d")).unwrap();
    for path in ["file", "d/file"] {
        fs::write(world.at(path), "x").unwrap();
    }
    symlink(world.host().join("file"), world.at("d/link")).unwrap();
    symlink(world.host(), world.at("folder")).unwrap();
    for path in ["file", "d/file", "d/link", "absent", "absent/file"] {
        root.remove_file(path).unwrap();
        assert!(fs::symlink_metadata(world.at(path)).is_err(), "{path}");
    }
    for path in ["d", "folder/file"] {
        assert!(matches!(root.remove_file(path), Err(RootedError::Blocked { .. })), "{path}");
    }
    world.assert_host_unchanged();
}

#[test]
fn a_tree_of_everything_is_removed_and_the_host_is_not() {
    let world = World::new();
    for folder in ["etc", "var/empty", "run", "deep/er", "locked/in"] {
        fs::create_dir_all(world.at(folder)).unwrap();
    }
    symlink(world.host(), world.at("etc/to-host")).unwrap();
    symlink(world.host().join("file"), world.at("etc/to-file")).unwrap();
    fs::hard_link(world.host().join("file"), world.at("etc/hard")).unwrap();
    fifo(&world.at("run/pipe"));
    drop(UnixListener::bind(world.at("run/socket")).unwrap());
    let null = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(rustix::fs::CWD, world.at("run/null"), FileType::CharacterDevice, Mode::RUSR, null)
        .unwrap();
    fs::write(world.at("etc/suid"), "x").unwrap();
    fs::set_permissions(world.at("etc/suid"), fs::Permissions::from_mode(0o6755)).unwrap();
    fs::write(world.at("locked/in/file"), "x").unwrap();
    fs::set_permissions(world.at("locked/in"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::write(world.at("deep/immutable"), "x").unwrap();
    fs::write(world.at("deep/append-only"), "x").unwrap();
    fs::write(world.at("deep/er/file"), "x").unwrap();
    set_flags(&world.at("deep/immutable"), IFlags::IMMUTABLE);
    set_flags(&world.at("deep/append-only"), IFlags::APPEND);
    set_flags(&world.at("deep/er"), IFlags::IMMUTABLE);
    set_flags(&world.at("deep"), IFlags::APPEND);
    set_flags(&world.at("var/empty"), IFlags::IMMUTABLE);
    set_flags(&world.at(""), IFlags::IMMUTABLE);
    assert!(fs::remove_file(world.at("deep/immutable")).is_err(), "the twin: the flags do lock");

    remove_tree(&world.roots(), "a1").unwrap();
    assert!(!world.at("").exists());
    remove_tree(&world.roots(), "a1").expect("absent is success");
    world.assert_host_unchanged();
}

#[test]
fn a_folder_20000_levels_deep_is_removed() {
    let world = World::new();
    // No path that long can be given to the kernel: build it by handle.
    let mut here = fs::File::open(world.at("")).unwrap().into();
    for _ in 0..20_000 {
        rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, "d", folder::FOLDER, Mode::empty()).unwrap();
    }
    drop(here);
    remove_tree(&world.roots(), "a1").unwrap();
    assert!(!world.at("").exists());
}

#[test]
fn two_hundred_thousand_small_files_are_removed() {
    let world = World::new();
    for folder in 0..20 {
        let folder = world.at(&format!("d{folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..10_000 {
            fs::write(folder.join(file.to_string()), "").unwrap();
        }
    }
    let begin = Instant::now();
    remove_tree(&world.roots(), "a1").unwrap();
    assert!(begin.elapsed() < Duration::from_mins(1), "took {:?}", begin.elapsed());
}

#[test]
fn a_mount_is_not_crossed_and_named_and_the_rest_goes() {
    let world = World::new();
    fs::create_dir_all(world.at("mnt/data")).unwrap();
    fs::create_dir_all(world.at("other")).unwrap();
    let target = world.at("mnt/data");
    rustix::mount::mount_bind(world.host(), &target).expect("this test needs root: it mounts");
    let mounted = RootDir::open(&world.roots(), "a1").unwrap().look("mnt/data/file");
    let error = remove_tree(&world.roots(), "a1").unwrap_err();
    rustix::mount::unmount(&target, rustix::mount::UnmountFlags::empty()).unwrap();

    assert!(matches!(mounted, Err(RootedError::Mount { .. })), "{mounted:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "could not remove `{}`, 1 path is in the way:\n  `{}`: is a mount: unmount it first",
            world.at("").display().to_string().trim_end_matches('/'),
            target.display()
        )
    );
    assert!(!world.at("other").exists());
    world.assert_host_unchanged();
    remove_tree(&world.roots(), "a1").expect("the mount is gone");
}

#[test]
fn obstacles_are_counted_and_the_first_are_named() {
    let world = World::new();
    let targets: Vec<_> = (0..7).map(|i| world.at(&format!("m{i}"))).collect();
    for target in &targets {
        fs::create_dir(target).unwrap();
        rustix::mount::mount_bind(world.host(), target).expect("this test needs root: it mounts");
    }
    let error = remove_tree(&world.roots(), "a1").unwrap_err();
    for target in &targets {
        rustix::mount::unmount(target, rustix::mount::UnmountFlags::empty()).unwrap();
    }
    let text = error.to_string();
    assert!(text.contains("7 paths are in the way"), "{text}");
    assert!(text.ends_with("\n  and 2 more"), "{text}");
    assert_eq!(text.lines().count(), 7, "{text}");
}
