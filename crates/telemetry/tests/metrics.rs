//! `/metrics` against its catalogue, and the catalogue against its page.

use std::time::Duration;
use telemetry::catalogue::{ALL, Kind, markdown};
use telemetry::{
    Build, FromState, Metrics, NamedLimitFigures, NamedLimits, Queue, ReactionFigures, TaskQueues,
    TaskTypeFigures, text,
};

fn used() -> std::sync::Arc<Metrics> {
    let metrics = Metrics::new(Build::of("0.1.0"));
    let route = metrics.route("POST", "/v1/streams/{stream}/events");
    route.answered(201, Duration::from_micros(700));
    route.answered(412, Duration::from_millis(3));
    metrics.events_appended.add(3);
    metrics.entry_commands.observe(3);
    metrics.log_sync.observe_duration(Duration::from_micros(80));
    metrics.queue(Queue::Mailbox).bound.set(4_096);
    metrics.became_ready();
    metrics
}

fn from_state() -> FromState {
    let figures = TaskTypeFigures {
        queue: "reports".to_owned(),
        task_type: "monthly".to_owned(),
        ready: 2,
        oldest_ready: Duration::from_millis(1_500),
        ..TaskTypeFigures::default()
    };
    let task_queues = TaskQueues { types: vec![figures], workers: vec![("reports".to_owned(), 3)] };
    let limit = NamedLimitFigures {
        limit: "database".to_owned(),
        concurrency: Some(20),
        running: 23,
        running_max: 20,
        ..NamedLimitFigures::default()
    };
    let reaction = ReactionFigures { reaction: "mails".to_owned(), behind_events: 12 };
    let limits = NamedLimits { limits: vec![limit], cut: 1 };
    FromState { task_queues, limits, reactions: vec![reaction] }
}

#[test]
fn every_family_of_the_catalogue_is_shown_and_no_other() {
    let text = text(used().read(&from_state()));
    let shown: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let catalogue: Vec<_> = ALL
        .iter()
        .map(|family| family.sample_name())
        .map(|n| n.trim_end_matches("_total").to_owned())
        .collect();
    assert_eq!(shown, catalogue);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn metrics_show_what_was_recorded() {
    let text = text(used().read(&from_state()));
    for line in [
        r#"mainstay_http_requests_total{method="POST",route="/v1/streams/{stream}/events",status="412"} 1"#,
        r#"mainstay_http_request_duration_seconds_count{method="POST",route="/v1/streams/{stream}/events"} 2"#,
        r#"mainstay_http_request_duration_seconds_bucket{le="0.001",method="POST",route="/v1/streams/{stream}/events"} 1"#,
        "mainstay_events_appended_total 3",
        r#"mainstay_entry_commands_bucket{le="2.0"} 0"#,
        r#"mainstay_entry_commands_bucket{le="4.0"} 1"#,
        r#"mainstay_log_sync_seconds_bucket{le="+Inf"} 1"#,
        "mainstay_log_sync_seconds_sum 0.00008",
        r#"mainstay_queue_bound{queue="mailbox"} 4096"#,
        "mainstay_ready 1",
        r#"mainstay_tasks{queue="reports",type="monthly",state="ready"} 2.0"#,
        r#"mainstay_tasks_oldest_ready_seconds{queue="reports",type="monthly"} 1.5"#,
        r#"mainstay_tasks_missed_seconds{queue="reports",type="monthly"} 0.0"#,
        r#"mainstay_workers{queue="reports"} 3.0"#,
        r#"mainstay_limit_concurrency{limit="database"} 20"#,
        r#"mainstay_limit_running{limit="database"} 23"#,
        r#"mainstay_limit_running_max{limit="database"} 20"#,
        "mainstay_limits_cut 1",
        r#"mainstay_reaction_behind_events{reaction="mails"} 12"#,
        r#"mainstay_build_info{version="0.1.0",profile="debug",target="x86_64"} 1"#,
    ] {
        // The target and the profile depend on this build.
        let line = line.replace("x86_64", std::env::consts::ARCH);
        let line = if cfg!(debug_assertions) { line } else { line.replace("debug", "release") };
        assert!(text.lines().any(|shown| shown == line), "no `{line}` in\n{text}");
    }
    assert!(!text.contains("mainstay_limit_rate_left{"), "a limit without a rate has nothing left of it");
}

#[test]
fn the_lag_is_that_of_the_slowest_subscriber() {
    let metrics = Metrics::new(Build::of("0.1.0"));
    let lag = |metrics: &std::sync::Arc<Metrics>| {
        let text = text(metrics.read(&from_state()));
        let line = text.lines().find(|l| l.starts_with("mainstay_subscriber_lag_seconds ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    metrics.last_visible.set_ms(1_790_000_010_000);
    assert_eq!(lag(&metrics), 0.0, "no subscriber");
    let slow = metrics.subscribers.join(Some("billing"), 1_790_000_000_000);
    let fast = metrics.subscribers.join(None, 1_790_000_010_000);
    assert_eq!(lag(&metrics), 10.0);
    slow.delivered_to(1_790_000_008_500);
    assert_eq!(lag(&metrics), 1.5);
    drop((slow, fast));
    let text = text(metrics.read(&from_state()));
    for line in [
        "mainstay_reader_lag_seconds{reader=\"billing\"} 1.5",
        "mainstay_reader_connections{reader=\"billing\"} 0.0",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
}

#[test]
fn no_two_families_share_a_name_and_each_explains_itself() {
    let mut names: Vec<_> = ALL.iter().map(|family| family.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    for family in ALL {
        assert!(family.help.len() >= 7 && !family.help.ends_with('.'), "{}", family.name);
        assert!(!family.name.ends_with("_total"), "{}: the encoder adds it", family.name);
        assert!(family.kind != Kind::Histogram || !family.labels.contains(&"le"));
    }
}

/// `UPDATE=1 cargo test -p telemetry` rewrites the page's tables.
#[test]
fn the_page_of_metrics_matches_the_catalogue() {
    const BEGIN: &str = "<!-- catalogue -->\n";
    const END: &str = "<!-- end of catalogue -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("the page marks where its tables begin");
    let (tables, tail) = rest.split_once(END).expect("and where they end");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{}{END}{tail}", markdown())).unwrap();
    } else {
        assert_eq!(tables, markdown(), "UPDATE=1 cargo test -p telemetry");
    }
}
