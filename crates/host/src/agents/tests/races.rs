//! What another process does, or dies of, between two lines of an operation.

use std::fs;

use super::super::AgentError;
use super::bed::Bed;

#[tokio::test]
async fn a_create_that_never_gets_its_lock_gives_name_and_slot_back() {
    let bed = Bed::with_closure().await;
    let folder = bed.host.layout.lock_dir();
    fs::remove_dir(&folder).expect("no lock is held");
    fs::write(&folder, "no folder").expect("written");
    let error = bed.create("one").await.expect_err("there are no locks");
    assert!(matches!(error, AgentError::Lock(_)), "{error}");
    assert_eq!(bed.records().await, []);
    fs::remove_file(&folder).expect("removed");
    bed.assert_empty("after a create without a lock").await;
}
