use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::caddy::{FakeCaddy, REFUSED_AT_LOAD, REFUSED_BY_CHECK};
use crate::fake::FakeWorld;

struct Bed {
    _folder: tempfile::TempDir,
    layout: Layout,
    locks: Locks,
    world: FakeWorld,
    caddy: FakeCaddy,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let world = FakeWorld::new(&layout);
        let (locks, caddy) = (Locks::new(&layout), FakeCaddy::new(&world));
        Self { _folder: folder, layout, locks, world, caddy }
    }

    /// One where these routes are served.
    async fn with(routes: &[(i64, &str)]) -> Self {
        let bed = Self::new();
        bed.routes().put_site("site").await.unwrap();
        for (number, text) in routes {
            bed.routes().put(id(*number), text).await.unwrap();
        }
        bed
    }

    fn routes(&self) -> Routes<'_> {
        Routes::new(&self.layout, &self.locks, &self.caddy)
    }

    fn served(&self) -> Vec<String> {
        let served = self.world.served().into_iter();
        served.map(|(name, text)| format!("{} {text}", name.trim_end_matches(".caddy"))).collect()
    }

    /// What a Caddy that starts now serves.
    fn served_after_a_restart(&self) -> Vec<String> {
        self.world.stop_caddy();
        self.world.start_caddy().unwrap();
        self.served()
    }

    /// What waits in the queue, but for the time of the last reload.
    fn queued(&self) -> Vec<String> {
        let names = names(&self.layout.route_tickets_dir());
        names.into_iter().filter(|name| name != "last").collect()
    }
}

fn id(number: i64) -> PreviewId {
    PreviewId::new(number)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn expected(routes: &[(i64, &str)]) -> Expected {
    let routes = routes.iter().map(|(number, text)| (id(*number), Expect::Text((*text).to_owned())));
    Expected { site: "site".to_owned(), routes: routes.collect() }
}

async fn restore(bed: &Bed, expected: &Expected) -> Restored {
    bed.routes().hold().await.unwrap().restore(expected).await.unwrap()
}

#[tokio::test]
async fn a_change_is_served_by_one_reload_and_the_same_again_takes_none() {
    let bed = Bed::with(&[(1, "a")]).await;
    assert_eq!(bed.served(), ["1 a", "site site"]);
    for (text, reloads) in [("b", 1), ("b", 0)] {
        assert_eq!(bed.routes().put(id(1), text).await.unwrap(), Applied { reloads });
        assert_eq!(bed.served(), ["1 b", "site site"]);
    }
    for reloads in [1, 0] {
        assert_eq!(bed.routes().remove(id(1)).await.unwrap(), Applied { reloads });
        assert_eq!(bed.served(), ["site site"]);
    }
    assert_eq!(bed.routes().put_site("site").await.unwrap(), Applied::default());
    assert_eq!(names(&bed.layout.good_routes_dir()), ["site.caddy"]);
    assert_eq!(bed.queued(), Vec::<String>::new());
}

#[tokio::test]
async fn everybody_reads_the_files_and_only_root_reads_the_queue() {
    let bed = Bed::with(&[(1, "a")]).await;
    let layout = &bed.layout;
    for (path, mode) in [
        (layout.caddy_dir(), 0o755),
        (layout.routes_dir(), 0o755),
        (layout.good_routes_dir(), 0o755),
        (layout.site_file(), 0o644),
        (layout.route_file(id(1)), 0o644),
        (layout.route_tickets_dir(), 0o700),
    ] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode, "{}", path.display());
    }
}

#[tokio::test]
async fn many_changes_at_once_share_reloads() {
    let bed = Bed::with(&[(50, "goes")]).await;
    let before = bed.world.reloads().0;
    let routes = bed.routes();
    let put = async |number: i64| match number {
        50 => routes.remove(id(50)).await.unwrap().reloads,
        _ => routes.put(id(number), "x").await.unwrap().reloads,
    };
    let puts = [1, 2, 3, 4, 5, 6, 7, 50].map(put);
    let mut own = 0;
    let mut puts: Vec<_> = puts.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        puts.retain_mut(|put| match put.as_mut().poll(context) {
            std::task::Poll::Ready(reloads) => {
                own += reloads;
                false
            }
            std::task::Poll::Pending => true,
        });
        if puts.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    drop(puts);
    assert_eq!(bed.served(), ["1 x", "2 x", "3 x", "4 x", "5 x", "6 x", "7 x", "site site"]);
    let reloads = bed.world.reloads().0 - before;
    assert!((1..=2).contains(&reloads), "{reloads} reloads");
    assert_eq!(own, reloads, "every reload is counted once");
}

#[tokio::test]
async fn changes_gather_only_within_a_second_of_the_last_reload() {
    let bed = Bed::new();
    let queue = Queue::new(&bed.layout);
    assert!(!queue.was_reloaded_within(RECENT), "there was none");
    bed.routes().put(id(1), "a").await.unwrap();
    assert!(queue.was_reloaded_within(Duration::from_mins(10)));
    let last = fs::File::open(bed.layout.route_tickets_dir().join("last")).unwrap();
    let now = std::time::SystemTime::now();
    for other in [now - 2 * RECENT, now + Duration::from_mins(1)] {
        last.set_modified(other).unwrap();
        assert!(!queue.was_reloaded_within(RECENT));
    }
}

#[tokio::test]
async fn what_the_check_refuses_reaches_no_folder() {
    let bed = Bed::with(&[(1, "a")]).await;
    let error = bed.routes().put(id(1), REFUSED_BY_CHECK).await.unwrap_err();
    assert_eq!(error.to_string(), "caddy cannot read the route file: unrecognized directive: revers_proxy");
    assert_eq!(bed.served_after_a_restart(), ["1 a", "site site"]);
    assert_eq!(bed.world.reloads(), (2, 0));
}

#[tokio::test]
async fn a_refused_change_goes_back_to_what_caddy_last_took() {
    let bed = Bed::with(&[(1, "a")]).await;
    for number in [1, 2] {
        let error = bed.routes().put(id(number), REFUSED_AT_LOAD).await.unwrap_err();
        assert_eq!(error.to_string(), format!("caddy refuses the change: {number}.caddy:1: path_regexp ((("));
        assert_eq!(bed.served_after_a_restart(), ["1 a", "site site"]);
    }
    bed.routes().put_site(REFUSED_AT_LOAD).await.unwrap_err();
    assert_eq!(bed.served_after_a_restart(), ["1 a", "site site"]);
    assert_eq!(bed.routes().differences(&expected(&[(1, "a")])).unwrap(), []);
    assert_eq!(bed.queued(), Vec::<String>::new());
}

#[tokio::test]
async fn only_who_wrote_a_bad_file_hears_of_it() {
    let bed = Bed::with(&[(1, "a"), (2, "b")]).await;
    let routes = bed.routes();
    let (one, two, three, four, five) = tokio::join!(
        routes.put(id(1), REFUSED_AT_LOAD),
        routes.remove(id(2)),
        routes.put(id(3), "c"),
        routes.put(id(4), REFUSED_AT_LOAD),
        routes.put(id(5), "e"),
    );
    for (number, refused) in [(1, one), (4, four)] {
        let told = format!("caddy refuses the change: {number}.caddy:1: path_regexp (((");
        assert_eq!(refused.unwrap_err().to_string(), told);
    }
    for good in [two, three, five] {
        good.unwrap();
    }
    assert_eq!(bed.served(), ["1 a", "3 c", "5 e", "site site"]);
    assert_eq!(bed.served_after_a_restart(), bed.served());
}

#[tokio::test]
async fn without_caddy_nothing_is_put_and_everything_can_be_removed() {
    let bed = Bed::with(&[(1, "a"), (2, "b")]).await;
    bed.world.stop_caddy();
    let error = bed.routes().put(id(1), "new").await.unwrap_err();
    assert_eq!(error.to_string(), "caddy is not running; start it with `systemctl start caddy`");
    bed.routes().remove(id(2)).await.unwrap();
    assert_eq!(bed.served_after_a_restart(), ["1 a", "site site"]);
    assert_eq!(bed.routes().remove(id(2)).await.unwrap().reloads, 0, "it is settled");
}

#[tokio::test]
async fn a_configuration_that_is_broken_elsewhere_is_told_so_and_a_removal_is_not_taken_for_done() {
    let bed = Bed::with(&[(1, "a"), (2, "b")]).await;
    let other = bed.layout.caddy_dir().join("other.caddy");
    fs::write(&other, REFUSED_AT_LOAD).unwrap();
    let otherwise =
        "caddy refuses its configuration also without this change: other.caddy:1: path_regexp (((";
    assert_eq!(bed.routes().put(id(1), "new").await.unwrap_err().to_string(), otherwise);
    for _ in 0..2 {
        assert_eq!(bed.routes().remove(id(2)).await.unwrap_err().to_string(), otherwise);
    }
    assert_eq!(bed.served(), ["1 a", "2 b", "site site"]);
    fs::remove_file(other).unwrap();
    assert_eq!(bed.routes().remove(id(2)).await.unwrap(), Applied { reloads: 1 });
    assert_eq!(bed.served(), ["1 a", "site site"]);
}

#[tokio::test]
async fn what_a_dead_process_wanted_is_not_applied() {
    let bed = Bed::with(&[]).await;
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let ticket = Ticket { target: Target::Route(id(7)), change: Change::Put("dead".to_owned()) };
    let path = bed.layout.route_tickets_dir().join(format!("{}-0", dead.id()));
    fs::write(&path, serde_json::to_vec(&ticket).unwrap()).unwrap();
    bed.routes().put(id(1), "a").await.unwrap();
    assert_eq!(bed.served(), ["1 a", "site site"]);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_restore_writes_what_differs_and_removes_what_belongs_to_nobody_by_one_reload() {
    let bed = Bed::with(&[(1, "a"), (2, "b"), (3, "c"), (4, "d")]).await;
    let before = bed.world.reloads().0;
    let (routes, good) = (bed.layout.routes_dir(), bed.layout.good_routes_dir());
    fs::write(routes.join("foreign.caddy"), "x").unwrap();
    fs::write(good.join(".3.caddy.17"), "x").unwrap();
    fs::remove_file(routes.join("3.caddy")).unwrap();
    fs::remove_file(bed.layout.site_file()).unwrap();
    let mut expected = expected(&[(1, "new"), (3, "c")]);
    expected.routes.insert(id(4), Expect::AsIs);
    expected.routes.insert(id(5), Expect::AsIs);
    let found = [
        Difference::Site,
        Difference::Route(id(1)),
        Difference::Route(id(3)),
        Difference::Leftover(id(2)),
        Difference::Stray(good.join(".3.caddy.17")),
        Difference::Stray(routes.join("foreign.caddy")),
    ];
    assert_eq!(bed.routes().differences(&expected).unwrap(), found);
    let restored = restore(&bed, &expected).await;
    assert_eq!(restored, Restored { found: found.to_vec(), not_taken: vec![], reloads: 1 });
    assert_eq!(bed.served(), ["1 new", "3 c", "4 d", "site site"]);
    assert_eq!(restore(&bed, &expected).await, Restored::default());
    assert_eq!(bed.world.reloads().0, before + 1);
}

#[tokio::test]
async fn a_restore_tells_what_caddy_did_not_take_and_puts_the_rest() {
    let bed = Bed::with(&[(1, "a")]).await;
    let restored = restore(&bed, &expected(&[(1, REFUSED_AT_LOAD), (2, "b"), (3, "c")])).await;
    let refused = NotTaken::Refused("1.caddy:1: path_regexp (((".to_owned());
    assert_eq!(restored.not_taken, [(Some(id(1)), refused)]);
    assert_eq!(bed.served_after_a_restart(), ["1 a", "2 b", "3 c", "site site"]);
}

/// Three changes that meet: a new file, another text, a removal.
async fn three_changes(bed: &Bed) -> [Result<Applied, RouteError>; 3] {
    let routes = bed.routes();
    let changes = tokio::join!(routes.put(id(1), "new"), routes.put(id(2), "other"), routes.remove(id(3)));
    changes.into()
}

const BEFORE: [(i64, &str); 2] = [(2, "old"), (3, "goes")];

/// Every file is one of the two that it may be, and a Caddy that starts takes
/// them all.
fn assert_each_is_old_or_new(bed: &Bed, case: &str) {
    for file in bed.served_after_a_restart() {
        let known = ["1 new", "2 old", "2 other", "3 goes", "site site"];
        assert!(known.contains(&file.as_str()), "{case}: {file}");
    }
}

async fn assert_a_restore_heals(bed: &Bed, case: &str) {
    bed.world.clear_faults();
    for wanted in [expected(&[(1, "new"), (2, "other")]), expected(&BEFORE)] {
        let restored = restore(bed, &wanted).await;
        assert_eq!(restored.not_taken, [], "{case}");
        assert_eq!(bed.routes().differences(&wanted).unwrap(), [], "{case}");
        let served: Vec<String> = wanted
            .routes
            .iter()
            .map(|(id, text)| match text {
                Expect::Text(text) => format!("{id} {text}"),
                Expect::AsIs => unreachable!("every text is known"),
            })
            .chain(["site site".to_owned()])
            .collect();
        assert_eq!(bed.served(), served, "{case}");
    }
    assert_eq!(bed.queued(), Vec::<String>::new(), "{case}");
}

/// How many points the three changes pass when nothing is wrong.
async fn points() -> std::ops::Range<usize> {
    let bed = Bed::with(&BEFORE).await;
    let begin = bed.world.passed().len();
    for changed in three_changes(&bed).await {
        changed.unwrap();
    }
    assert_eq!(bed.served(), ["1 new", "2 other", "site site"]);
    begin..bed.world.passed().len()
}

#[tokio::test]
async fn whatever_fails_leaves_files_that_caddy_starts_with_and_a_restore_heals() {
    for number in points().await {
        let bed = Bed::with(&BEFORE).await;
        bed.world.fail_at(number);
        let results = three_changes(&bed).await;
        let case = format!("failing {}: {results:?}", bed.world.passed()[number]);
        let served = bed.served();
        assert_each_is_old_or_new(&bed, &case);
        assert_eq!(bed.served(), served, "{case}: what is served is what lies there");
        for (result, file) in results.iter().zip(["1 new", "2 other", "3 goes"]) {
            let is_applied = served.iter().any(|found| found == file) != file.ends_with("goes");
            assert_eq!(result.is_ok(), is_applied, "{case}: {file}");
        }
        assert_a_restore_heals(&bed, &case).await;
    }
}

#[tokio::test]
async fn whoever_is_cut_short_leaves_files_that_caddy_starts_with_and_a_restore_heals() {
    for number in points().await {
        let bed = Bed::with(&BEFORE).await;
        bed.world.hang_at(number);
        let hung = async {
            while !bed.world.is_hanging() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = three_changes(&bed) => panic!("nothing hung at {number}"),
            () = hung => {}
        }
        let case = format!("cut short {}", bed.world.passed()[number]);
        assert_eq!(bed.queued(), Vec::<String>::new(), "{case}: they are withdrawn");
        assert_each_is_old_or_new(&bed, &case);
        assert_a_restore_heals(&bed, &case).await;
    }
}

#[tokio::test]
async fn a_bad_file_whose_process_was_cut_short_is_taken_back_by_the_next_change() {
    let bed = Bed::with(&[(1, "a")]).await;
    bed.world.hang_next("caddy.reload");
    let routes = bed.routes();
    tokio::select! {
        _ = routes.put(id(1), REFUSED_AT_LOAD) => panic!("it hangs"),
        () = async { while !bed.world.is_hanging() { tokio::task::yield_now().await } } => {}
    }
    bed.world.clear_faults();
    bed.routes().put(id(2), "b").await.unwrap();
    assert_eq!(bed.served_after_a_restart(), ["1 a", "2 b", "site site"]);
}
