//! Agents with the host's GPU.

use std::fs;

use berth_core::{Config, Gpu, UnitState};

use super::super::{AgentError, chain, list, plan_create};
use super::bed::{Bed, container};
use crate::gpu::stand_in;

const CONFIGURED: &str = "subnet = \"10.9.8.0/24\"\n[deadlines]\nboot = \"50ms\"\nstop = \"50ms\"\n[gpu]\n\
                          devices = [\"/dev/nvidia0\", \"/dev/nvidiactl\"]\n";

/// A host with a closure that offers a GPU, which is there.
async fn bed() -> Bed {
    let mut bed = Bed::with_closure().await;
    bed.host.config = Config::parse(CONFIGURED).expect("a configuration");
    stand_in(&bed.host.layout, &offered(&bed));
    bed
}

fn offered(bed: &Bed) -> Gpu {
    bed.host.config.gpu.clone().expect("offered").gpu
}

fn allowed(bed: &Bed) -> Option<String> {
    let folder = bed.host.layout.root().join("etc/systemd/system.control/container@a1.service.d");
    fs::read_to_string(folder.join("50-DeviceAllow.conf")).ok()
}

fn conf(bed: &Bed) -> String {
    fs::read_to_string(bed.host.layout.conf(container("a1"))).expect("there")
}

const ALLOWED: &str = "[Service]\nDeviceAllow=/dev/nvidia0 rw\nDeviceAllow=/dev/nvidiactl rw\n";

#[tokio::test]
async fn who_asks_for_the_gpu_gets_it_and_keeps_it_over_a_pause_and_a_new_configuration() {
    let mut bed = bed().await;
    let record = bed.create_with_gpu("one").await.expect("created");
    let gpu = offered(&bed);
    assert_eq!(record.gpu.as_ref(), Some(&gpu));
    assert_eq!(list(&bed.host).await.expect("listed")[0].gpu.as_ref(), Some(&gpu));
    assert_eq!(allowed(&bed).as_deref(), Some(ALLOWED));
    for flag in gpu.flags() {
        assert!(conf(&bed).contains(&format!(" {flag}")), "{flag}");
    }

    bed.host.config.gpu = None;
    bed.stop("one").await.expect("stopped");
    assert_eq!(bed.start("one").await.expect("started").gpu, Some(gpu));
    assert_eq!(allowed(&bed).as_deref(), Some(ALLOWED));

    bed.destroy("one").await.expect("destroyed");
    assert_eq!(allowed(&bed), None);
    bed.assert_empty("after a life with a GPU").await;
}

#[tokio::test]
async fn who_does_not_ask_for_the_gpu_gets_none_of_it() {
    let bed = bed().await;
    assert_eq!(bed.create("one").await.expect("created").gpu, None);
    assert_eq!(allowed(&bed), None);
    assert!(!conf(&bed).contains("nvidia"), "{}", conf(&bed));
    assert!(!conf(&bed).contains("opengl-driver"), "{}", conf(&bed));
}

#[tokio::test]
async fn a_host_that_offers_no_gpu_says_which_section_is_missing() {
    let bed = Bed::with_closure().await;
    let error = bed.create_with_gpu("one").await.expect_err("none is offered");
    let file = bed.host.layout.config_file().display().to_string();
    assert_eq!(
        error.to_string(),
        format!("this host offers no GPU: add the section `[gpu]` to `{file}`, or leave `--gpu` out")
    );
    let planned = plan_create(&bed.host, &bed.options("one", true)).await;
    assert!(matches!(planned, Err(AgentError::Gpu(_))), "{planned:?}");
    bed.assert_empty("after a refusal").await;
}

#[tokio::test]
async fn a_device_that_is_not_there_is_named_before_anything_is_done_and_at_a_start() {
    let bed = bed().await;
    bed.create_with_gpu("one").await.expect("created");
    bed.stop("one").await.expect("stopped");
    let node = bed.host.layout.root().join("dev/nvidiactl");
    fs::remove_file(&node).expect("it is gone");

    let told =
        "the device node `/dev/nvidiactl` does not exist; see `agent doctor` for what the driver lacks";
    let error = bed.create_with_gpu("two").await.expect_err("it is not there");
    assert_eq!(error.to_string(), told);
    assert_eq!(bed.records().await.len(), 1);
    let error = bed.start("one").await.expect_err("it is not there");
    assert!(chain(&error).ends_with(told), "{}", chain(&error));
    assert_eq!(bed.world.unit_state(container("a1")), UnitState::Inactive);

    fs::write(&node, "no device").expect("written");
    let error = bed.create_with_gpu("two").await.expect_err("it is a file");
    assert_eq!(error.to_string(), "`/dev/nvidiactl` is no character device; see `agent doctor`");

    fs::remove_dir(bed.host.layout.root().join("run/opengl-driver")).expect("it is gone");
    let error = bed.create_with_gpu("two").await.expect_err("there is no driver");
    assert_eq!(
        error.to_string(),
        "the driver's folder `/run/opengl-driver` does not exist; install the driver, or correct `gpu.driver`"
    );
}

#[tokio::test]
async fn a_create_with_a_gpu_that_fails_anywhere_leaves_nothing() {
    let points = {
        let bed = bed().await;
        let before = bed.points();
        bed.create_with_gpu("one").await.expect("created");
        bed.points() - before
    };
    for point in 0..points {
        let bed = bed().await;
        bed.world.fail_at(bed.points() + point);
        if bed.create_with_gpu("one").await.is_err() {
            bed.assert_empty(&format!("when a create fails at point {point}")).await;
            assert_eq!(allowed(&bed), None, "point {point}");
        }
    }
}
