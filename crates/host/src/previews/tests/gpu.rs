//! Previews with the host's GPU.

use berth_core::{Config, Gpu};

use super::super::{UpdateKind, view};
use super::bed::{Bed, container, name, never, options};
use crate::gpu::stand_in;
use crate::repos::Wanted;

/// A host that offers its GPU to the previews of these repositories.
async fn bed(repositories: &str) -> Bed {
    let mut bed = Bed::new().await;
    let config = Config::parse(&format!("[gpu]\nrepositories = [{repositories}]\n"));
    bed.host.config.gpu = config.expect("a configuration").gpu;
    stand_in(&bed.host.layout, &bed.host.config.gpu.as_ref().expect("offered").gpu);
    bed
}

async fn gpu(bed: &Bed, slug: &str) -> Option<Gpu> {
    view(&bed.host, &name(slug)).await.expect("seen").gpu
}

#[tokio::test]
async fn a_repository_that_is_listed_gets_it_and_another_does_not() {
    let bed = bed("\"acme/site\"").await;
    bed.create("main").await.expect("created");
    assert_eq!(gpu(&bed, "site-main").await, bed.host.config.gpu.as_ref().map(|config| config.gpu.clone()));
    let conf = std::fs::read_to_string(bed.host.layout.conf(container("p1"))).expect("there");
    assert!(conf.contains(" --bind=/dev/nvidia0 "), "{conf}");
    bed.restart_until("site-main", &never()).await.expect("restarted");
    bed.destroy("site-main").await.expect("destroyed");
    bed.assert_empty("after a life with a GPU").await;

    let bed = self::bed("\"acme/other\"").await;
    bed.create("main").await.expect("created");
    assert_eq!(gpu(&bed, "site-main").await, None);
}

#[tokio::test]
async fn what_is_not_trusted_gets_none_although_its_repository_is_listed() {
    let bed = bed("\"acme/site\"").await;
    let pull = "7".parse().expect("a number");
    bed.push_to(&Wanted::Pull(pull), 5, "one");
    let mut options = options("main");
    (options.source.pull, options.is_trusted) = (Some(pull), false);
    bed.create_with(options, &never()).await.expect("created");
    assert_eq!(gpu(&bed, "site-7").await, None);
}

#[tokio::test]
async fn a_repository_that_is_listed_later_or_no_more_gets_another_container_at_its_next_update() {
    let mut bed = bed("").await;
    bed.create("main").await.expect("created");
    assert_eq!(bed.update("site-main").await.expect("updated").kind, UpdateKind::Nothing);

    let listed = vec!["acme/site".parse().expect("a repository")];
    bed.host.config.gpu.as_mut().expect("offered").repositories = listed;
    assert_eq!(bed.update("site-main").await.expect("updated").kind, UpdateKind::Switched);
    assert!(gpu(&bed, "site-main").await.is_some());
    assert_eq!(bed.update("site-main").await.expect("updated").kind, UpdateKind::Nothing);

    bed.host.config.gpu = None;
    // A restart keeps the container, and what it has.
    bed.restart_until("site-main", &never()).await.expect("restarted");
    assert!(gpu(&bed, "site-main").await.is_some());
    assert_eq!(bed.update("site-main").await.expect("updated").kind, UpdateKind::Switched);
    assert_eq!(gpu(&bed, "site-main").await, None);
}
