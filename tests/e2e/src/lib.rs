//! End-to-end tests of Berth on the test host; the tests are in `tests/`.
