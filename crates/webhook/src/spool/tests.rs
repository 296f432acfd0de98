use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use berth_core::delivery::{ContentType, Delivery, SpoolName, WebhookSecret};
use tempfile::TempDir;

use super::*;

const BOUNDS: Bounds = Bounds { files: 100, bytes: 1 << 20 };

struct Bed {
    folder: TempDir,
}

impl Bed {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn open(&self, bounds: Bounds) -> Spool {
        Spool::open(self.path(), bounds).expect("a spool")
    }

    /// All names in the folder, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    /// The bodies in the order of their names; each file must be whole.
    fn bodies(&self) -> Vec<String> {
        self.names()
            .iter()
            .map(|name| {
                let content = fs::read(self.path().join(name)).expect("readable");
                let name: SpoolName = name.parse().expect("a name of the spool");
                let delivery = Delivery::decode(&name, &content).expect("whole");
                String::from_utf8(delivery.body.to_vec()).expect("text")
            })
            .collect()
    }
}

fn envelope(time: &str) -> Envelope {
    Envelope {
        delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958".parse().expect("an id"),
        event: "pull_request".parse().expect("an event"),
        content_type: ContentType::Json,
        signature: WebhookSecret::new(b"a secret of these days").expect("a secret").sign(b""),
        received_at: time.parse().expect("a time"),
    }
}

const NOW: &str = "2026-11-21T09:30:00Z";

async fn store(spool: &Spool, body: &str) -> Result<(), StoreError> {
    spool.store(envelope(NOW), Bytes::copy_from_slice(body.as_bytes())).await
}

#[tokio::test]
async fn a_stored_delivery_is_a_whole_file_that_others_cannot_read() {
    let bed = Bed::new();
    let spool = bed.open(BOUNDS);
    store(&spool, "one").await.expect("stored");
    assert_eq!(bed.bodies(), ["one"]);
    let mode = fs::metadata(bed.path().join(&bed.names()[0])).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777 & !0o040, 0o600, "at most the group may read it");
}

#[tokio::test]
async fn names_are_in_the_order_of_arrival_although_the_clock_stands_or_goes_back() {
    let bed = Bed::new();
    let spool = bed.open(BOUNDS);
    for (time, body) in [(NOW, "1"), (NOW, "2"), ("2026-11-21T09:29:00Z", "3"), ("2026-11-21T09:31:00Z", "4")]
    {
        spool.store(envelope(time), Bytes::from_static(body.as_bytes())).await.expect("stored");
    }
    drop(spool);
    let spool = reopened(&bed, BOUNDS).await;
    store(&spool, "5").await.expect("stored");
    assert_eq!(bed.bodies(), ["1", "2", "3", "4", "5"]);
}

/// Opens the spool again once the thread of the one before has ended.
async fn reopened(bed: &Bed, bounds: Bounds) -> Spool {
    for _ in 0..500 {
        match Spool::open(bed.path(), bounds) {
            Ok(spool) => return spool,
            Err(SpoolError::InUse { .. }) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the spool stays in use");
}

#[tokio::test]
async fn many_at_once_are_all_stored() {
    let bed = Bed::new();
    let spool = std::sync::Arc::new(bed.open(BOUNDS));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let spool = std::sync::Arc::clone(&spool);
        tasks.spawn(async move { store(&spool, &number.to_string()).await });
    }
    while let Some(stored) = tasks.join_next().await {
        stored.expect("no panic").expect("stored");
    }
    let mut bodies = bed.bodies();
    bodies.sort_by_key(|body| body.parse::<u32>().expect("a number"));
    assert_eq!(bodies, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_spool_with_too_many_deliveries_or_bytes_is_full_until_some_are_taken_out() {
    for bounds in [Bounds { files: 2, ..BOUNDS }, Bounds { bytes: 700, ..BOUNDS }] {
        let bed = Bed::new();
        let spool = bed.open(bounds);
        for _ in 0..2 {
            store(&spool, "x").await.expect("room");
        }
        assert!(matches!(store(&spool, "x").await, Err(StoreError::Full)), "{bounds:?}");
        assert_eq!(bed.bodies().len(), 2);
        fs::remove_file(bed.path().join(&bed.names()[0])).expect("removed");
        let mut tries = 0;
        while store(&spool, "x").await.is_err() {
            tries += 1;
            assert!(tries < 100, "room is never noticed");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(bed.bodies().len(), 2);
    }
}

#[tokio::test]
async fn usage_tells_what_lies_there() {
    let bed = Bed::new();
    let spool = bed.open(Bounds { files: 1, ..BOUNDS });
    assert_eq!(spool.usage().await.expect("well"), Usage { files: 0, bytes: 0, is_full: false });
    store(&spool, "x").await.expect("room");
    let length = fs::metadata(bed.path().join(&bed.names()[0])).expect("there").len();
    assert_eq!(spool.usage().await.expect("well"), Usage { files: 1, bytes: length, is_full: true });
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let bed = Bed::new();
    for name in [".incoming-1", ".incoming-77", "notes.txt"] {
        fs::write(bed.path().join(name), "half").expect("written");
    }
    let spool = bed.open(BOUNDS);
    assert_eq!(bed.names(), ["notes.txt"]);
    store(&spool, "x").await.expect("stored");
    assert_eq!(bed.names().len(), 2);
}

#[tokio::test]
async fn a_second_writer_is_refused() {
    let bed = Bed::new();
    let _spool = bed.open(BOUNDS);
    assert!(matches!(Spool::open(bed.path(), BOUNDS), Err(SpoolError::InUse { .. })));
}

#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_not_written_through() {
    let bed = Bed::new();
    let target = bed.path().join("target");
    let spool = bed.open(BOUNDS);
    symlink(&target, bed.path().join(".incoming-1")).expect("a link");
    assert!(matches!(store(&spool, "x").await, Err(StoreError::Failed(_))));
    assert!(!target.exists());
}

#[test]
fn what_is_no_folder_is_no_spool() {
    let bed = Bed::new();
    let link = bed.path().join("link");
    symlink("/tmp", &link).expect("a link");
    fs::write(bed.path().join("file"), "").expect("written");
    for path in [link, bed.path().join("file"), bed.path().join("missing")] {
        assert!(matches!(Spool::open(&path, BOUNDS), Err(SpoolError::Unusable { .. })), "{}", path.display());
        assert!(Spool::check(&path).is_err());
    }
    assert!(Spool::check(bed.path()).is_ok());
}
