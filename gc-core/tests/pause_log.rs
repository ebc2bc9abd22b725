//! The interval log of pauses (feature `hdr-log`), read back by the reader of the crate
//! `hdrhistogram`, and by that of the Python package of the same name where it is installed.

use gc_core::{Gc, Heap, HiccupMeter, PauseKind, PauseLog};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::process::Command;
use std::time::Duration;

#[path = "common/pause.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod slow;
use slow::{pause, slow_heap};

const MS: Duration = Duration::from_millis(1);

/// A log of two intervals, of which the second has a pause of 20 ms; and the heap.
fn log() -> (String, Heap) {
    let (heap, meter) = (slow_heap(), HiccupMeter::start(MS).unwrap());
    let mut text = Vec::new();
    let mut log = PauseLog::new(&mut text, &heap).unwrap();
    heap.mutate(|mc| Gc::new(mc, 1u8).to_string());
    std::thread::sleep(20 * MS);
    log.interval(&heap, Some(&meter)).unwrap();
    pause(&heap, "over", 40 * MS);
    log.interval(&heap, Some(&meter)).unwrap();
    (String::from_utf8(text).unwrap(), heap)
}

#[test]
fn the_crates_reader_reads_it() {
    let (text, heap) = log();
    let mut tags = Vec::new();
    let mut decoder = Deserializer::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        let LogEntry::Interval(interval) = entry.unwrap() else { continue };
        let tag = interval.tag().map(|tag| tag.as_str().to_owned());
        let bytes = base64(interval.encoded_histogram());
        let all: Histogram<u64> = decoder.deserialize(&mut bytes.as_slice()).unwrap();
        tags.push((tag, all.len(), all.max(), interval.duration()));
    }
    let of = |tag: Option<&str>| -> Vec<_> {
        tags.iter().filter(|(of, ..)| of.as_deref() == tag).collect()
    };
    let all = of(None);
    assert_eq!(all.len(), 2, "{tags:?}");
    assert_eq!(all.iter().map(|of| of.1).sum::<u64>(), heap.pauses().all().len());
    let stops = of(Some("Stop"));
    let longest = heap.pauses().of(PauseKind::Stop).max().as_nanos() as u64;
    assert_eq!(stops.len(), 1, "{tags:?}");
    assert!(stops[0].2.abs_diff(longest) <= longest / 500, "{stops:?}, {longest}");
    assert!(stops[0].3 >= 20 * MS, "{stops:?}");
    assert_eq!(of(Some("Refill")).len(), 1, "{tags:?}");
    assert_eq!(of(Some("hiccups")).len(), 2, "{tags:?}");
}

/// Without a crate of its own for so little.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter(|byte| *byte != b'=');
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for digit in digits {
        let value = DIGITS.iter().position(|of| *of == digit).expect("a digit");
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}

#[test]
fn the_python_reader_reads_it() {
    let program = "\
import sys
from hdrh.log import HistogramLogReader
from hdrh.histogram import HdrHistogram
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 3_600_000_000_000, 3))
while True:
    each = reader.get_next_interval_histogram()
    if not each:
        break
    print(each.get_tag() or 'all', each.get_total_count(), each.get_max_value())
";
    let (text, heap) = log();
    let path = std::env::temp_dir().join(format!("gc-pauses-{}.hlog", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let run = Command::new("python3").args(["-c", program]).arg(&path).output();
    std::fs::remove_file(&path).unwrap();
    let output = match run {
        Ok(output) => output,
        Err(error) => return println!("skipped: no python3 ({error})"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named") {
        return println!("skipped: Python has no package hdrhistogram");
    }
    assert!(output.status.success(), "{said}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let counts = lines.lines().filter_map(|line| line.strip_prefix("all ")?.split(' ').next());
    let sum: u64 = counts.map(|count| count.parse::<u64>().unwrap()).sum();
    assert_eq!(sum, heap.pauses().all().len(), "{lines}");
    assert!(lines.contains("Stop ") && lines.contains("hiccups "), "{lines}");
}

#[test]
fn an_output_that_fails_is_an_error() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let heap = Heap::new();
    heap.mutate(|mc| Gc::new(mc, 1u8).to_string());
    assert!(PauseLog::new(Full(0), &heap).is_err());
    let mut log = PauseLog::new(Full(150), &heap).unwrap();
    heap.mutate(|mc| Gc::new(mc, [0u8; 5000]).len());
    assert!((0..3).any(|_| log.interval(&heap, None).is_err()));
}
