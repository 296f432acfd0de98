use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{OPENED, Place, answer, connect, deliver, head, send, status};

#[test]
fn a_body_that_is_too_large_is_answered_413_and_the_answer_arrives() {
    let place = Place::new();
    let _running = place.start(&[]);
    let body = vec![b' '; 27 << 20];
    let declared = send(place.address(), &[head("large", &body).as_bytes(), &body]);
    assert_eq!(status(&declared), 413, "{declared}");
    let chunked = head("large", b"").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let size = format!("{:x}\r\n", body.len());
    let undeclared = send(place.address(), &[chunked.as_bytes(), size.as_bytes(), &body, b"\r\n0\r\n\r\n"]);
    assert_eq!(status(&undeclared), 413, "{undeclared}");
    assert_eq!(place.names().len(), 0);
    assert_eq!(deliver(place.address(), "good"), 202);
}

#[test]
fn a_body_that_comes_byte_by_byte_is_answered_408() {
    let place = Place::new();
    let _running = place.start(&["--body-timeout", "1"]);
    let mut stream = connect(place.address());
    stream.write_all(head("slow", OPENED.as_bytes()).as_bytes()).expect("sent");
    let slow = stream.try_clone().expect("a socket");
    let dripping = thread::spawn(move || {
        let pause = Duration::from_millis(50);
        OPENED.as_bytes().chunks(1).take(100).all(|byte| {
            thread::sleep(pause);
            (&slow).write_all(byte).is_ok()
        })
    });
    assert_eq!(status(&answer(stream)), 408);
    let _ = dripping.join();
}

#[test]
fn connections_that_say_nothing_are_closed_and_others_get_their_turn() {
    let place = Place::new();
    let _running = place.start(&["--max-connections", "2"]);
    let begin = Instant::now();
    let mut silent = [connect(place.address()), connect(place.address())];
    silent[0].write_all(b"POST /webhook/github HTTP/1.1\r\nHost: x\r\n").expect("sent");
    // It waits until one of the two is closed, and no longer.
    assert_eq!(deliver(place.address(), "patient"), 202);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    for stream in silent {
        let told = answer(stream);
        assert!(told.is_empty() || status(&told) == 408, "{told}");
    }
}

#[test]
fn a_connection_is_closed_after_its_answer() {
    let place = Place::new();
    let _running = place.start(&[]);
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let told = send(place.address(), &[request.as_bytes(), request.as_bytes()]);
    assert_eq!(told.matches("HTTP/1.1 200").count(), 1, "{told}");
    assert!(told.to_lowercase().contains("connection: close"), "{told}");
}

#[test]
fn heads_that_two_readers_could_take_for_different_ones_are_refused() {
    let place = Place::new();
    let running = place.start(&[]);
    let body = OPENED.as_bytes();
    let good = head("good", body);
    let length = format!("Content-Length: {}\r\n", body.len());
    for (name, spoiled) in [
        ("two lengths", good.replace(&length, &format!("{length}Content-Length: 5\r\n"))),
        ("a length and chunks", good.replace(&length, &format!("{length}Transfer-Encoding: chunked\r\n"))),
        ("a folded line", good.replace("Delivery: good", "Delivery: good\r\n more")),
        ("a zero byte", good.replace("Delivery: good", "Delivery: go\0od")),
        ("a lone line feed", good.replace("Delivery: good", "Delivery: good\nX-GitHub-Event: ping")),
        ("a lone carriage return", good.replace("Delivery: good", "Delivery: good\rX: y")),
        ("a space before the colon", good.replace("Delivery: good", "Delivery : good")),
        ("a name of other characters", good.replace("Delivery: good", "Delivery: gööd")),
        ("a path", good.replace("Delivery: good", "Delivery: ../../good")),
        ("two ids", good.replace("Delivery: good", "Delivery: good\r\nX-GitHub-Delivery: evil")),
        ("two signatures", good.replace("X-Hub", "X-Hub-Signature-256: sha256=00\r\nX-Hub")),
        ("an escape", good.replace("Event: pull_request", "Event: \u{1b}[2Jpull_request")),
        ("too many headers", good.replace(&length, &format!("{}{length}", "X-A: b\r\n".repeat(100)))),
        ("an endless header", good.replace(&length, &format!("X-A: {}\r\n{length}", "b".repeat(100_000)))),
        ("no version", good.replace(" HTTP/1.1", "")),
        ("the next version", good.replace("HTTP/1.1", "HTTP/2.0")),
    ] {
        let told = send(place.address(), &[spoiled.as_bytes(), body]);
        assert!((400..500).contains(&status(&told)) || told.is_empty(), "{name}: {told}");
    }
    assert_eq!(place.deliveries(), Vec::<String>::new(), "nothing of it was stored");
    assert_eq!(deliver(place.address(), "good"), 202);
    assert!(running.log().lines().all(|line| line.starts_with('{') && line.ends_with('}')));
}
