//! `--record FILE`: what the collector cost while a workload ran, interval by interval, as lines of
//! JSON. And `attribute FILE`, which looks in them for causes.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gc_core::{CostInterval, CostSeries, Heap};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// The time between two readings.
const EVERY: Duration = Duration::from_millis(100);

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    /// Bytes allocated in a second.
    allocation_rate: f64,
    threads: f64,
    live_objects: f64,
    /// Processor time of the collector and its markers, in seconds a second.
    collector_cpu: f64,
    /// Interruptions of all threads, in seconds a second.
    pauses: f64,
}

impl From<&CostInterval> for Row {
    fn from(interval: &CostInterval) -> Row {
        let CostInterval { allocation_rate, threads, live_objects, collector_cpu, pauses } =
            *interval;
        Row { allocation_rate, threads, live_objects, collector_cpu, pauses }
    }
}

impl From<Row> for CostInterval {
    fn from(row: Row) -> CostInterval {
        let Row { allocation_rate, threads, live_objects, collector_cpu, pauses } = row;
        CostInterval { allocation_rate, threads, live_objects, collector_cpu, pauses }
    }
}

/// A thread that reads the metrics of a heap until it is told to stop.
#[derive(Debug)]
struct Recorder {
    stop: Sender<()>,
    thread: JoinHandle<CostSeries>,
    path: PathBuf,
}

/// The recorder of the workload that runs.
static RUNNING: Mutex<Option<Recorder>> = Mutex::new(None);

/// Begins to record what `heap` costs, for `path`.
pub(crate) fn start(heap: &Heap, path: &Path) -> Outcome {
    let (stop, stopped) = channel();
    let heap = heap.clone();
    let record = move || {
        let (begin, mut series) = (Instant::now(), CostSeries::new());
        loop {
            series.push(begin.elapsed(), &heap.metrics());
            if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                return series;
            }
        }
    };
    let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(record);
    let thread = thread.map_err(|e| format!("the recorder cannot start: {e}"))?;
    let recorder = Recorder { stop, thread, path: path.to_owned() };
    *RUNNING.lock().expect("no thread panics with it") = Some(recorder);
    Ok(())
}

/// Writes what was recorded, if anything was.
pub(crate) fn finish() -> Outcome {
    let Some(recorder) = RUNNING.lock().expect("no thread panics with it").take() else {
        return Ok(());
    };
    drop(recorder.stop);
    let series = recorder.thread.join().map_err(|_| "the recorder has panicked".to_owned())?;
    let path = recorder.path;
    write(&path, &series).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

fn write(path: &Path, series: &CostSeries) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for interval in series.intervals() {
        serde_json::to_writer(&mut file, &Row::from(interval))?;
        writeln!(file)?;
    }
    file.flush()
}

/// Which habit of a program its collector's cost depends on: a regression over files of --record
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// What gc-bench WORKLOAD --record FILE wrote; several are taken together
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Prints the attribution of the files' intervals.
pub(crate) fn attribute(args: &Args) -> Outcome {
    let mut series = CostSeries::new();
    for path in &args.files {
        read(path, &mut series).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    let found = series.attribute().map_err(|error| error.to_string())?;
    println!("{} intervals\n{found}", series.intervals().len());
    Ok(())
}

fn read(path: &Path, series: &mut CostSeries) -> Outcome {
    let file = File::open(path).map_err(|e| e.to_string())?;
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|e| e.to_string())?;
        let row: Row =
            serde_json::from_str(&line).map_err(|error| format!("line {}: {error}", at + 1))?;
        series.add(row.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back() {
        let path = std::env::temp_dir().join(format!("gc-bench-series-{}", std::process::id()));
        let mut series = CostSeries::new();
        for i in 0..3 {
            series.add(CostInterval { threads: f64::from(i), pauses: 0.25, ..Default::default() });
        }
        write(&path, &series).unwrap();
        let mut back = CostSeries::new();
        read(&path, &mut back).unwrap();
        assert_eq!(back.intervals(), series.intervals());
        std::fs::write(&path, "{}\n").unwrap();
        let error = read(&path, &mut back).unwrap_err();
        assert!(error.starts_with("line 1: missing field"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path, &mut back).is_err());
    }
}
