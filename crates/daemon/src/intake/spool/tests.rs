//! A hostile folder.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

const NAME: &str = "00000001800000000000-a1b2.delivery";

/// Puts a trap in the place of a delivery.
type Make<'a> = Box<dyn Fn() + 'a>;

struct Bed {
    folder: TempDir,
    spool: Spool,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("spool")).expect("a spool");
        let spool = Spool::open(&folder.path().join("spool"), &folder.path().join("aside")).expect("opened");
        Self { folder, spool }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("spool").join(name)
    }

    fn reason(&self) -> String {
        self.spool.read(&name(NAME)).expect_err("refused").to_string()
    }

    fn aside(&self) -> usize {
        fs::read_dir(self.folder.path().join("aside")).expect("a folder").count()
    }
}

fn name(text: &str) -> SpoolName {
    text.parse().expect("a name of the spool")
}

#[test]
fn only_names_of_deliveries_are_listed_in_the_order_of_their_times() {
    let bed = Bed::new();
    let later = "00000001800000000001-0000.delivery";
    for name in [later, NAME, ".tmp-1", "x.delivery", "a\nb"] {
        fs::write(bed.path(name), "").expect("written");
    }
    assert_eq!(bed.spool.list().expect("listed"), [name(NAME), name(later)]);
    assert_eq!(bed.spool.read(&name(NAME)).expect("read"), b"");
}

#[test]
fn what_is_no_plain_file_is_never_followed_never_waited_for_and_goes_aside() {
    let bed = Bed::new();
    let secret = bed.folder.path().join("secret");
    fs::write(&secret, "secret").expect("written");
    let traps: [(Make<'_>, &str); 5] = [
        (Box::new(|| symlink(&secret, bed.path(NAME)).expect("a link")), "the file cannot be read"),
        (Box::new(|| fs::create_dir(bed.path(NAME)).expect("a folder")), "the file is no regular file"),
        (
            Box::new(|| fs::create_dir_all(bed.path(NAME).join("below")).expect("folders")),
            "the file is no regular file",
        ),
        (
            Box::new(|| {
                let fifo = FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, bed.path(NAME), fifo, Mode::RWXU, 0).expect("a pipe");
            }),
            "the file is no regular file",
        ),
        (
            Box::new(|| fs::hard_link(&secret, bed.path(NAME)).expect("a second name")),
            "the file is reached under several names",
        ),
    ];
    for (made, (make, reason)) in (1..).zip(traps) {
        make();
        assert_eq!(bed.reason(), reason);
        bed.spool.put_aside(&name(NAME)).expect("put aside");
        assert!(bed.path(NAME).symlink_metadata().is_err(), "{reason}");
        // Each takes the place of the one before, of another kind or not.
        assert!(bed.aside() <= made);
        let mut kept = fs::read_dir(bed.folder.path().join("aside")).expect("a folder");
        assert!(!kept.any(|entry| entry.expect("an entry").file_type().expect("a type").is_dir()));
    }
    assert_eq!(fs::read_to_string(&secret).expect("there"), "secret");
}

#[test]
fn a_file_above_the_bound_is_refused() {
    let bed = Bed::new();
    let file = File::create(bed.path(NAME)).expect("a file");
    file.set_len(u64::try_from(SPOOL_FILE_MAX).expect("a bound") + 1).expect("sparse");
    assert_eq!(bed.reason(), "the file is too large");
}

#[test]
fn few_files_are_kept_aside_and_those_are_the_newest() {
    let bed = Bed::new();
    for number in 0..ASIDE_MAX + 5 {
        let text = format!("{number:020}-a.delivery");
        fs::write(bed.path(&text), "").expect("written");
        bed.spool.put_aside(&name(&text)).expect("put aside");
    }
    assert_eq!(bed.aside(), ASIDE_MAX);
    assert!(bed.folder.path().join(format!("aside/{:020}-a.delivery", ASIDE_MAX + 4)).exists());
    assert!(!bed.folder.path().join(format!("aside/{:020}-a.delivery", 0)).exists());
}

#[test]
fn a_link_in_the_place_of_the_folder_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    symlink("/etc", folder.path().join("spool")).expect("a link");
    assert!(Spool::open(&folder.path().join("spool"), &folder.path().join("aside")).is_err());
}
