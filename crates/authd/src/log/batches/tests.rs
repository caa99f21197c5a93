//! What the log's thread writes, at its own pace and to what fails.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tracing_appender::non_blocking::NonBlockingBuilder;

use super::*;

/// Keeps each write apart; with `room`, takes that many further bytes and then fails.
#[derive(Clone, Default)]
struct Destination {
    writes: Arc<Mutex<Vec<String>>>,
    room: Arc<Mutex<Option<usize>>>,
}

impl Destination {
    fn writes(&self) -> Vec<String> {
        self.writes.lock().unwrap().clone()
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut room = self.room.lock().unwrap();
        let taken = room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if taken == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        *room = room.map(|room| room - taken);
        self.writes.lock().unwrap().push(String::from_utf8(bytes[..taken].to_vec()).unwrap());
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn batches(destination: &Destination) -> Batches<Destination, impl FnMut()> {
    Batches { lines: BufWriter::with_capacity(BATCH_BYTES, destination.clone()), pause: || () }
}

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("line {n} {}\n", "x".repeat(n % 300))).collect()
}

#[test]
fn a_batch_is_whole_lines_in_order_and_no_longer_than_a_pipe_takes_at_once() {
    let destination = Destination::default();
    let mut batches = batches(&destination);
    let lines = lines(1_000);
    for line in &lines {
        batches.write_all(line.as_bytes()).unwrap();
    }
    batches.flush().unwrap();
    let writes = destination.writes();
    assert_eq!(writes.concat(), lines.concat());
    assert!(writes.iter().all(|write| write.len() <= BATCH_BYTES && write.ends_with('\n')));
    assert!(writes.len() < 60, "{}", writes.len());
}

#[test]
fn a_line_longer_than_a_batch_is_written_whole() {
    let destination = Destination::default();
    let mut batches = batches(&destination);
    let long = "y".repeat(3 * BATCH_BYTES) + "\n";
    for line in ["before\n", &long, "after\n"] {
        batches.write_all(line.as_bytes()).unwrap();
    }
    batches.flush().unwrap();
    assert_eq!(destination.writes(), ["before\n", &long, "after\n"]);
}

#[test]
fn a_full_disk_is_no_error_and_when_it_has_room_again_no_line_is_cut() {
    let destination = Destination::default();
    *destination.room.lock().unwrap() = Some(100);
    let mut batches = batches(&destination);
    let lines = lines(1_000);
    for line in &lines {
        assert_eq!(batches.write(line.as_bytes()).unwrap(), line.len());
        batches.flush().unwrap();
    }
    *destination.room.lock().unwrap() = None;
    batches.write_all(b"room again\n").unwrap();
    batches.flush().unwrap();
    let written = destination.writes().concat();
    let mut expected = lines.iter();
    for line in written.strip_suffix("room again\n").unwrap().split_inclusive('\n') {
        assert!(expected.any(|expected| expected == line), "{line}");
    }
    assert!(written.len() > BATCH_BYTES / 2 && written.len() < 2 * BATCH_BYTES, "{}", written.len());
}

#[test]
fn a_flush_of_nothing_does_not_pause() {
    let destination = Destination::default();
    let mut pauses = 0;
    let mut batches = Batches { lines: BufWriter::new(destination), pause: || pauses += 1 };
    batches.flush().unwrap();
    batches.write_all(b"line\n").unwrap();
    batches.flush().unwrap();
    batches.flush().unwrap();
    drop(batches);
    assert_eq!(pauses, 1);
}

/// Pauses until it is told to go on, and says when it begins.
fn held() -> (impl FnMut() + Send, Receiver<()>, Sender<()>) {
    let ((begins, begun), (go_on, told)) = (channel(), channel());
    let pause = move || {
        let _ = begins.send(());
        let _ = told.recv();
    };
    (pause, begun, go_on)
}

#[test]
fn the_first_line_is_written_at_once_and_those_of_a_pause_together() {
    let destination = Destination::default();
    let (pause, paused, go_on) = held();
    let (mut log, guard) = NonBlockingBuilder::default()
        .finish(Batches { lines: BufWriter::with_capacity(BATCH_BYTES, destination.clone()), pause });
    log.write_all(b"first\n").unwrap();
    paused.recv().unwrap();
    assert_eq!(destination.writes(), ["first\n"]);
    for line in ["second\n", "third\n", "fourth\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    go_on.send(()).unwrap();
    paused.recv().unwrap();
    assert_eq!(destination.writes(), ["first\n", "second\nthird\nfourth\n"]);
    drop(go_on);
    drop(guard);
}

#[test]
fn what_waits_at_the_end_is_written() {
    let destination = Destination::default();
    let lines = lines(3_000);
    let (mut log, guard) = NonBlockingBuilder::default().lossy(false).finish(paced(destination.clone()));
    for line in &lines {
        log.write_all(line.as_bytes()).unwrap();
    }
    drop(guard);
    assert_eq!(destination.writes().concat(), lines.concat());
}
