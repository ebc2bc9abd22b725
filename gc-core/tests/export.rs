//! The exporters, read back by tools that others wrote: `promtool` (of Debian's package prometheus)
//! for the text, the alert rules and the dashboard's queries, and a recorder of the `metrics`
//! facade.

#[path = "common/repository.rs"]
mod repository;

use gc_core::{
    Ephemeron, ExportError, Gc, GcWeak, GcWeakMap, Heap, Metric, MetricKind, MetricsPublisher,
    PrometheusExporter, Root,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Runs promtool with `input`; `None`, with a line that says so, where there is none.
fn promtool(args: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new("promtool");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: promtool is not installed (Debian: apt-get install prometheus)");
            return None;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// Runs promtool, which must be content and say nothing of a problem.
#[track_caller]
fn accepts(args: &[&str], input: &str) {
    let Some(output) = promtool(args, input) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {said}\n{input}");
}

/// A heap in which everything that the table speaks of has happened, with what keeps it so.
fn busy_heap() -> (Heap, Vec<Root<(u64, u64)>>) {
    type Things<'gc> = (GcWeak<'gc, (u64, u64)>, Ephemeron<'gc, (u64, u64), u64>);
    let heap = Heap::builder().memory_limit(1 << 30).build().unwrap();
    let kept = (0..100u64).map(|i| heap.mutate(|mc| Gc::root(Gc::new(mc, (i, i)), mc))).collect();
    heap.mutate(|mc| {
        let key = Gc::new(mc, (1, 2));
        let map = Gc::new(mc, GcWeakMap::<(u64, u64), u64>::new());
        map.insert(mc, key, Gc::new(mc, 3));
        let things: Gc<'_, Things<'_>> =
            Gc::new(mc, (Gc::downgrade(key, mc), Ephemeron::new(mc, key, Gc::new(mc, 4))));
        assert!(things.0.upgrade(mc).is_some());
        Gc::from_slice(mc, &[0u8; 100_000]);
        Gc::new(mc, String::from("dropped"));
    });
    heap.collect().unwrap();
    heap.drain_drops(Duration::from_secs(60)).unwrap();
    (heap, kept)
}

/// The names that a text declares, with their types, and the names of its samples.
fn names(text: &str) -> (BTreeMap<&str, &str>, BTreeSet<&str>) {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    (types.collect(), samples.filter_map(|line| line.split(['{', ' ']).next()).collect())
}

#[test]
fn the_text_has_every_metric_and_promtool_reads_it() {
    let (heap, kept) = busy_heap();
    let (other, exporter) = (Heap::new(), PrometheusExporter::new());
    exporter.add("main", &heap).unwrap();
    // A name that needs escaping.
    exporter.add("a \"heap\" \\ of\ntwo lines", &other).unwrap();
    let text = exporter.render();
    let (types, samples) = names(&text);
    for metric in Metric::all() {
        let expected = match metric.kind {
            MetricKind::GaugeHistogram => "histogram".to_owned(),
            kind => kind.to_string(),
        };
        assert_eq!(types.get(metric.name), Some(&expected.as_str()), "{}", metric.name);
        let help = format!("# HELP {} {}\n", metric.name, metric.help.replace('\\', "\\\\"));
        assert!(text.contains(&help), "{help}");
        let sample = match expected.as_str() {
            "histogram" => format!("{}_bucket", metric.name),
            _ => metric.name.to_owned(),
        };
        assert!(samples.contains(sample.as_str()), "{sample} has no sample");
    }
    assert_eq!(types.len(), Metric::all().len(), "and no other");
    assert!(text.contains("gc_live_objects{heap=\"main\"} 100\n"));
    assert!(text.contains("gc_memory_limit_bytes{heap=\"main\"} 1073741824"));
    accepts(&["check", "metrics"], &text);
    assert!(PrometheusExporter::CONTENT_TYPE.starts_with("text/plain; version=0.0.4"));
    drop(kept);
}

/// The tool that reads the text back can tell good from bad.
#[test]
fn promtool_refuses_what_is_no_metrics() {
    let text = "# HELP gc_x X.\n# TYPE gc_x counter\ngc_x 1\n";
    if let Some(output) = promtool(&["check", "metrics"], text) {
        assert!(!output.status.success(), "a counter without _total");
    }
    if let Some(output) = promtool(&["check", "metrics"], "gc_x{heap=} 1\n") {
        assert!(!output.status.success(), "a label without a value");
    }
}

#[test]
fn ranges_add_up_to_the_count_in_the_text() {
    let (heap, kept) = busy_heap();
    let exporter = PrometheusExporter::new();
    exporter.add("main", &heap).unwrap();
    let text = exporter.render();
    let value = |start: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    for (name, labels) in [
        ("gc_handshake_seconds", "heap=\"main\""),
        ("gc_span_occupancy_ratio", "heap=\"main\""),
        ("gc_pause_seconds", "heap=\"main\",kind=\"Refill\""),
    ] {
        // The labels may be written in another order, but `le` is one of them.
        let mut last = 0.0;
        let mut bounds = 0;
        for line in text.lines().filter(|line| line.starts_with(&format!("{name}_bucket{{"))) {
            if !labels.split(',').all(|label| line.contains(label)) {
                continue;
            }
            let n: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(n >= last, "{line}");
            (last, bounds) = (n, bounds + 1);
        }
        assert!(bounds > 10, "{name} has {bounds} bounds");
        assert_eq!(last, value(&format!("{name}_count{{{labels}}}")), "{name}");
    }
    drop(kept);
}

#[test]
fn what_is_misused_is_refused_and_what_has_ended_drops_out() {
    let (exporter, publisher) = (PrometheusExporter::new(), MetricsPublisher::new());
    let (heap, other) = (Heap::new(), Heap::new());
    assert_eq!(exporter.render(), "", "no heap");
    accepts(&["check", "metrics"], "");
    exporter.add("a", &heap).unwrap();
    publisher.add("a", &heap).unwrap();
    let errors = [
        (exporter.add("", &other), "the name of an exported heap is empty"),
        (exporter.add("a", &other), "another heap is exported under the name \"a\""),
        (exporter.add("b", &heap), "the heap is exported already, under the name \"a\""),
        (publisher.add("", &other), "the name of an exported heap is empty"),
        (publisher.add("a", &other), "another heap is exported under the name \"a\""),
        (publisher.add("b", &heap), "the heap is exported already, under the name \"a\""),
    ];
    for (result, text) in errors {
        assert_eq!(result.unwrap_err().to_string(), text);
    }
    // The exporter is no handle: with the only one gone the heap ends.
    heap.shutdown(Duration::from_secs(60)).expect("the exporter does not keep it");
    assert_eq!(exporter.render(), "");
    publisher.publish();
    exporter.add("a", &other).expect("the name is free again");
    assert!(exporter.render().contains("heap=\"a\""));
    assert_eq!(exporter.add("c", &other), Err(ExportError::HeapInUse { name: "a".into() }));
    assert_eq!(format!("{exporter:?}"), "PrometheusExporter { heaps: [\"a\"] }");
}

/// Scrapes from several threads beside a heap that works and one that ends.
#[test]
fn scrapes_may_come_from_any_thread_at_any_time() {
    let exporter = PrometheusExporter::new();
    let heap = Heap::builder().min_heap(1 << 20).build().unwrap();
    exporter.add("stays", &heap).unwrap();
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                for _ in 0..20 {
                    let text = exporter.render();
                    let sum = |name: &str| -> f64 {
                        let own = text.lines().filter(|line| line.starts_with(name));
                        own.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
                            .sum()
                    };
                    assert_eq!(sum("gc_spans{"), sum("gc_class_spans{"));
                    assert_eq!(sum("gc_spans{"), sum("gc_span_occupancy_ratio_count{"));
                }
            });
        }
        s.spawn(|| {
            for i in 0..10 {
                let short = Heap::new();
                exporter.add(&format!("short {i}"), &short).unwrap();
                short.mutate(|mc| Gc::new(mc, String::from("gone")).len());
            }
        });
        for i in 0..300_000 {
            heap.mutate(|mc| assert_eq!(Gc::new(mc, [i; 4])[3], i));
        }
    });
    assert!(!exporter.render().contains("heap=\"short"));
}

/// What `metrics` has is told to the facade, and what its exporter writes is what ours does.
#[test]
fn the_facade_gets_the_same_values() {
    let (heap, kept) = busy_heap();
    let recorder =
        PrometheusBuilder::new().set_buckets(&[1e-6, 1e-3, 1.0]).unwrap().build_recorder();
    let publisher = MetricsPublisher::new();
    publisher.add("main", &heap).unwrap();
    let refills = || heap.metrics().find("gc_pause_seconds", "Refill").unwrap().value.number();
    metrics::with_local_recorder(&recorder, || {
        publisher.publish();
        publisher.publish();
        heap.mutate(|mc| Gc::new(mc, [0u8; 333]).len());
        publisher.publish();
    });
    let text = recorder.handle().render();
    let (types, samples) = names(&text);
    for metric in Metric::all() {
        let is_histogram = metric.kind == MetricKind::Histogram;
        let sample =
            if is_histogram { format!("{}_bucket", metric.name) } else { metric.name.to_owned() };
        assert!(samples.contains(sample.as_str()), "{sample} was not published");
        assert!(text.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{sample}");
        let has_fraction = metric.name.ends_with("_seconds_total");
        if metric.kind == MetricKind::Counter && !has_fraction {
            assert_eq!(types[metric.name], "counter", "{}", metric.name);
        }
    }
    let line = format!("gc_pause_seconds_count{{heap=\"main\",kind=\"Refill\"}} {}\n", refills());
    assert!(text.contains(&line), "{line} in {text}");
    assert!(text.contains("gc_live_objects{heap=\"main\"} "), "{text}");
    assert!(text.contains("gc_cycles_total{heap=\"main\"} 1\n"), "{text}");
    assert!(text.contains("gc_span_occupancy_ratio{heap=\"main\",up_to=\"0.1\"} "), "{text}");
    drop(kept);
}

/// Every `gc_…` word of a query, and of an annotation.
fn words(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_word(c)).filter(|word| word.starts_with("gc_"));
    words.map(str::to_owned).collect()
}

/// The names that the exporter's text has.
fn exported() -> BTreeSet<String> {
    let (heap, kept) = busy_heap();
    let exporter = PrometheusExporter::new();
    exporter.add("main", &heap).unwrap();
    let text = exporter.render();
    let names = names(&text).1.into_iter().map(str::to_owned).collect();
    drop(kept);
    names
}

#[test]
fn alert_rules_use_names_that_exist_and_each_is_seen_to_fire() {
    let Some(root) = repository::root("alert_rules") else { return };
    let folder = root.join("docs/observe");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("the rules are there");
    let (rules, tests) = (read("alerts.yml"), read("alerts_test.yml"));
    let without_comments: String = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    let (used, exported) = (words(&without_comments), exported());
    assert!(used.len() > 10, "{used:?}");
    for name in used {
        assert!(exported.contains(&name), "alerts.yml uses {name}, which is not exported");
    }
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 5);
    for alert in &alerts {
        let start = format!("- alertname: {alert}\n");
        let mut parts = tests.split(&start).skip(1);
        let first = |part: &str| part.split("- alertname").next().unwrap_or_default().to_owned();
        assert!(
            parts.any(|part| first(part).contains("exp_alerts:")),
            "alerts_test.yml does not make {alert} fire"
        );
    }
    let path = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
    accepts(&["check", "rules", &path("alerts.yml")], "");
    accepts(&["test", "rules", &path("alerts_test.yml")], "");
}

/// The queries of a dashboard's panels, and of its variables.
fn queries(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value {
                    serde_json::Value::String(text) if key == "expr" => out.push(text.clone()),
                    serde_json::Value::String(text) if text.starts_with("label_values(") => {
                        let name = text.trim_start_matches("label_values(").split(',').next();
                        out.push(name.unwrap_or_default().to_owned());
                    }
                    _ => queries(value, out),
                }
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| queries(value, out)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_what_is_exported_and_promtool_reads_its_queries() {
    let Some(root) = repository::root("the_dashboard") else { return };
    let text = fs::read_to_string(root.join("docs/observe/dashboard.json")).expect("it is there");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    assert!(all.len() > 30, "{all:?}");
    let exported = exported();
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (i, query) in all.iter().enumerate() {
        let used = words(query);
        assert!(!used.is_empty(), "{query} asks for nothing of ours");
        for name in used {
            assert!(exported.contains(&name), "{query}: {name} is not exported");
        }
        // Grafana puts these in.
        let query =
            query.replace("$__rate_interval", "5m").replace("$heap", ".+").replace("$job", ".+");
        assert!(!query.contains('$'), "{query} has a variable that the dashboard does not set");
        rules += &format!("      - record: query_{i}\n        expr: '{query}'\n");
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard-rules.yml");
    fs::write(&path, rules).unwrap();
    accepts(&["check", "rules", path.to_str().unwrap()], "");
    // A panel's place is its own.
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    let places: BTreeSet<String> = panels.iter().map(|p| p["gridPos"].to_string()).collect();
    assert_eq!((ids.len(), places.len()), (panels.len(), panels.len()));
}
