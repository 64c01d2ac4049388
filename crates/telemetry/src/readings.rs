//! What every metric reads at one moment, family by family, in the order of the catalogue: as text for `/metrics`, and for
//! an exporter.

use crate::catalogue::{self as cat, Family, Queue};
use crate::from_state::{FromState, ReactionFigures};
use crate::instrument::{Counter, Distribution, Gauge, Histogram, TimeGauge};
use crate::limited::{LimitOf, Limited};
use crate::metrics::Metrics;
use crate::named_limits::{NamedLimitFigures, NamedLimits};
use crate::process::{Process, seconds_since_1970};
use crate::task_queues::{TaskQueues, TaskTypeFigures};
use std::borrow::Cow;
use std::time::Duration;

/// A metric family at one moment. It has no samples while there is nothing to measure.
#[derive(Clone, Debug)]
pub struct Reading {
    pub family: &'static Family,
    pub samples: Vec<Sample>,
}

/// One value of a family.
#[derive(Clone, Debug)]
pub struct Sample {
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Whole(i64),
    Real(f64),
    Distribution(Distribution),
}

impl Metrics {
    /// Reads every metric. It reads `/proc` too, which takes about a millisecond.
    #[must_use]
    pub fn read(&self, from_state: &FromState) -> Vec<Reading> {
        let mut readings = Readings(Vec::with_capacity(cat::ALL.len()));
        readings.http(self);
        readings.writes(self);
        readings.tasks(self, &from_state.task_queues);
        readings.limits(&from_state.limits);
        readings.entries(self);
        readings.disk(self);
        readings.checks(self);
        readings.node(self);
        readings.reactions(self, &from_state.reactions);
        readings.breakers(self);
        readings.schedules(self);
        readings.subscribers(self);
        readings.queues(self);
        readings.process(self, &Process::read());
        readings.0
    }
}

struct Readings(Vec<Reading>);

impl Readings {
    fn http(&mut self, metrics: &Metrics) {
        let routes = metrics.routes();
        let requests = routes.iter().flat_map(|route| {
            route.read().map(|(status, n)| {
                let labels = [("method", route.method.into()), ("route", route.path.into())];
                let labels = labels.into_iter().chain([("status", status.into())]);
                Sample { labels: labels.collect(), value: whole(n) }
            })
        });
        self.family(&cat::HTTP_REQUESTS, requests);
        let used = routes.iter().filter(|route| route.duration.count() > 0);
        let durations = used.map(|route| Sample {
            labels: vec![("method", route.method.into()), ("route", route.path.into())],
            value: Value::Distribution(route.duration.read()),
        });
        self.family(&cat::HTTP_DURATION, durations);
        let tls = &metrics.tls;
        self.optional(&cat::TLS_EXPIRES, tls.expires_in());
        self.counter(&cat::TLS_RELOADS_FAILED, &tls.reloads_failed);
        self.counter(&cat::TLS_HANDSHAKES_FAILED, &tls.handshakes_failed);
        self.counter(&cat::IDENTITIES_RELOADS_FAILED, &metrics.identities_reloads_failed);
        let limited = Limited::ALL.into_iter().flat_map(|one| LimitOf::ALL.map(|of| (one, of)));
        let limited = limited.map(|(limited, of)| Sample {
            labels: vec![("limit", limited.as_str().into()), ("of", of.as_str().into())],
            value: whole(metrics.limited.of(limited, of).get()),
        });
        self.family(&cat::LIMITED, limited);
        self.counter(&cat::EXPORT_FAILURES, &metrics.export.failures);
        self.counter(&cat::EXPORT_SPANS_DROPPED, &metrics.export.spans_dropped);
    }

    fn writes(&mut self, metrics: &Metrics) {
        self.counter(&cat::EVENTS_APPENDED, &metrics.events_appended);
        self.counter(&cat::EVENTS_REPLAYED, &metrics.events_replayed);
        self.counter(&cat::COMMANDS_REFUSED, &metrics.commands_refused);
    }

    fn tasks(&mut self, metrics: &Metrics, task_queues: &TaskQueues) {
        let tasks = &metrics.tasks;
        self.counter(&cat::TASKS_ENQUEUED, &tasks.enqueued);
        self.counter(&cat::TASKS_REPLAYED, &tasks.replayed);
        self.counter(&cat::TASKS_CLAIMED, &tasks.claimed);
        self.counter(&cat::TASKS_COMPLETED, &tasks.completed);
        self.counter(&cat::TASKS_FAILED, &tasks.failed);
        self.counter(&cat::TASKS_DEAD, &tasks.dead);
        self.counter(&cat::TASKS_CLAIM_LOST, &tasks.claim_lost);
        self.histogram(&cat::TASK_WAIT, &tasks.wait);
        self.histogram(&cat::TASK_RUN, &tasks.run);
        let types = &task_queues.types;
        let by_state = types.iter().flat_map(|figures| {
            figures.by_state().map(|(state, tasks)| {
                let mut labels = task_labels(figures);
                labels.push(("state", state.into()));
                Sample { labels, value: Value::Real(tasks as f64) }
            })
        });
        self.family(&cat::TASKS, by_state);
        self.task_times(&cat::TASKS_OLDEST_READY, types, |figures| figures.oldest_ready);
        self.task_times(&cat::TASKS_UNCLAIMED, types, |figures| figures.unclaimed);
        self.task_times(&cat::TASKS_MISSED, types, |figures| figures.missed);
        let workers = task_queues.workers.iter();
        let workers = workers.map(|(queue, n)| labelled("queue", queue.clone(), Value::Real(*n as f64)));
        self.family(&cat::WORKERS, workers);
    }

    fn task_times(
        &mut self,
        family: &'static Family,
        types: &[TaskTypeFigures],
        time: fn(&TaskTypeFigures) -> Duration,
    ) {
        let samples = types.iter().map(|figures| {
            let value = Value::Real(time(figures).as_secs_f64());
            Sample { labels: task_labels(figures), value }
        });
        self.family(family, samples);
    }

    fn limits(&mut self, limits: &NamedLimits) {
        let mut of_each = |family, value: fn(&NamedLimitFigures) -> Option<u64>| {
            let samples = limits.limits.iter().filter_map(|figures| {
                value(figures).map(|value| labelled("limit", figures.limit.clone(), whole(value)))
            });
            self.family(family, samples);
        };
        of_each(&cat::LIMIT_CONCURRENCY, |figures| figures.concurrency);
        of_each(&cat::LIMIT_RUNNING, |figures| Some(figures.running));
        of_each(&cat::LIMIT_RUNNING_MAX, |figures| Some(figures.running_max));
        of_each(&cat::LIMIT_WAITING, |figures| Some(figures.waiting));
        of_each(&cat::LIMIT_KEYS, |figures| Some(figures.keys));
        of_each(&cat::LIMIT_THROTTLED, |figures| Some(figures.throttled));
        of_each(&cat::LIMIT_RATE_BURST, |figures| figures.rate_burst);
        of_each(&cat::LIMIT_RATE_LEFT, |figures| figures.rate_left_min);
        self.single(&cat::LIMITS_CUT, Some(whole(limits.cut)));
    }

    fn entries(&mut self, metrics: &Metrics) {
        self.histogram(&cat::ENTRY_COMMANDS, &metrics.entry_commands);
        self.histogram(&cat::ENTRY_BYTES, &metrics.entry_bytes);
        self.histogram(&cat::LOG_SYNC, &metrics.log_sync);
        self.histogram(&cat::APPLY, &metrics.apply);
        self.histogram(&cat::FLUSH, &metrics.flush);
    }

    fn disk(&mut self, metrics: &Metrics) {
        self.gauge(&cat::LOG_BYTES, &metrics.log_bytes);
        self.gauge(&cat::LOG_SEGMENTS, &metrics.log_segments);
        self.gauge(&cat::ARCHIVES, &metrics.archives);
        self.counter(&cat::LOG_WRITTEN, &metrics.log_written);
        self.gauge(&cat::STATE_BYTES, &metrics.state_bytes);
        self.gauge(&cat::STATE_MEMORY, &metrics.state_memory);
        self.gauge(&cat::STATE_CACHE, &metrics.state_cache);
        self.gauge(&cat::BODIES_BYTES, &metrics.bodies_bytes);
        self.gauge(&cat::BODIES_DEAD, &metrics.bodies_dead);
        self.gauge(&cat::DISK_FREE, &metrics.disk_free);
        self.gauge(&cat::DISK_SIZE, &metrics.disk_size);
        self.gauge(&cat::DISK_RESERVE, &metrics.disk_reserve);
        self.counter(&cat::COMPACTIONS_OUT_OF_SPACE, &metrics.compactions_out_of_space);
    }

    fn checks(&mut self, metrics: &Metrics) {
        let checks = &metrics.checks;
        let last = checks.last();
        self.time(&cat::CHECK_EVERY, &checks.every);
        self.optional(&cat::CHECK_LAST, last.map(|last| last.at.as_secs_f64()));
        self.optional(&cat::CHECK_DURATION, last.map(|last| last.took.as_secs_f64()));
        self.gauge(&cat::CHECK_DAMAGED, checks.damaged());
        self.counter(&cat::CHECK_READ, &checks.read);
    }

    fn node(&mut self, metrics: &Metrics) {
        self.gauge(&cat::READY, &metrics.ready);
        self.gauge(&cat::READ_ONLY, &metrics.read_only);
        self.gauge(&cat::DISK_STALLED, &metrics.disk_stalled);
        self.gauge(&cat::REPLAYED_ENTRIES, &metrics.replayed_entries);
        self.time(&cat::START, &metrics.start);
        self.time(&cat::WALL_AHEAD, &metrics.wall_ahead);
        self.time(&cat::LAST_VISIBLE, &metrics.last_visible);
    }

    fn reactions(&mut self, metrics: &Metrics, reactions: &[ReactionFigures]) {
        self.time(&cat::REACTION_LAG, &metrics.reaction_lag);
        let behind = reactions
            .iter()
            .map(|figures| labelled("reaction", figures.reaction.clone(), whole(figures.behind_events)));
        self.family(&cat::REACTION_BEHIND, behind);
    }

    fn breakers(&mut self, metrics: &Metrics) {
        let breakers = &metrics.breakers;
        self.gauge(&cat::BREAKERS, &breakers.all);
        self.gauge(&cat::BREAKERS_OPEN, &breakers.open);
        self.gauge(&cat::BREAKERS_HALF_OPEN, &breakers.half_open);
        self.gauge(&cat::BREAKERS_OPENED, &breakers.opened);
    }

    fn schedules(&mut self, metrics: &Metrics) {
        let schedules = &metrics.schedules;
        self.gauge(&cat::SCHEDULES, &schedules.all);
        self.gauge(&cat::SCHEDULES_PAUSED, &schedules.paused);
        self.gauge(&cat::SCHEDULES_BROKEN, &schedules.broken);
        self.gauge(&cat::SCHEDULES_HELD, &schedules.held);
    }

    fn subscribers(&mut self, metrics: &Metrics) {
        let (n, lag) = metrics.lag();
        self.optional(&cat::SUBSCRIBERS, Some(n as f64));
        self.optional(&cat::SUBSCRIBER_LAG, Some(lag.as_secs_f64()));
        let readers = metrics.readers();
        let reader = |name: &str, value: f64| labelled("reader", name.to_owned(), Value::Real(value));
        let lags = readers.iter().map(|(figures, lag)| reader(&figures.name, lag.as_secs_f64()));
        self.family(&cat::READER_LAG, lags);
        let connections =
            readers.iter().map(|(figures, _)| reader(&figures.name, figures.connections as f64));
        self.family(&cat::READER_CONNECTIONS, connections);
        self.counter(&cat::SUBSCRIBERS_OVERTAKEN, &metrics.subscribers.overtaken);
    }

    fn queues(&mut self, metrics: &Metrics) {
        let of_each = |value: fn(&crate::queue::QueueFigures) -> Value| {
            Queue::ALL.map(|queue| labelled("queue", queue.name(), value(metrics.queue(queue))))
        };
        self.family(&cat::QUEUE_DEPTH, of_each(|figures| Value::Whole(figures.depth.get())));
        self.family(&cat::QUEUE_BOUND, of_each(|figures| Value::Whole(figures.bound.get())));
        self.family(&cat::QUEUE_REJECTED, of_each(|figures| whole(figures.rejected.get())));
    }

    fn process(&mut self, metrics: &Metrics, process: &Process) {
        self.optional(&cat::PROCESS_CPU, process.cpu_seconds);
        for (family, figure) in [
            (&cat::PROCESS_RESIDENT, process.resident_bytes),
            (&cat::PROCESS_PROPORTIONAL, process.proportional_bytes),
            (&cat::PROCESS_FDS, process.open_fds),
            (&cat::PROCESS_THREADS, process.threads),
        ] {
            self.optional(family, figure.map(|n| n as f64));
        }
        self.optional(&cat::PROCESS_START, Some(seconds_since_1970(metrics.started)));
        let build = &metrics.build;
        let labels = [("version", build.version), ("profile", build.profile), ("target", build.target)];
        let labels = labels.map(|(name, value)| (name, value.into())).into();
        self.family(&cat::BUILD, [Sample { labels, value: Value::Whole(1) }]);
    }

    fn family(&mut self, family: &'static Family, samples: impl IntoIterator<Item = Sample>) {
        self.0.push(Reading { family, samples: samples.into_iter().collect() });
    }

    fn single(&mut self, family: &'static Family, value: Option<Value>) {
        self.family(family, value.map(|value| Sample { labels: Vec::new(), value }));
    }

    fn counter(&mut self, family: &'static Family, counter: &Counter) {
        self.single(family, Some(whole(counter.get())));
    }

    fn gauge(&mut self, family: &'static Family, gauge: &Gauge) {
        self.single(family, Some(Value::Whole(gauge.get())));
    }

    fn time(&mut self, family: &'static Family, time: &TimeGauge) {
        self.optional(family, Some(time.seconds()));
    }

    fn optional(&mut self, family: &'static Family, value: Option<f64>) {
        self.single(family, value.map(Value::Real));
    }

    fn histogram(&mut self, family: &'static Family, histogram: &Histogram) {
        self.single(family, Some(Value::Distribution(histogram.read())));
    }
}

fn task_labels(figures: &TaskTypeFigures) -> Vec<(&'static str, Cow<'static, str>)> {
    vec![("queue", figures.queue.clone().into()), ("type", figures.task_type.clone().into())]
}

fn labelled(label: &'static str, of: impl Into<Cow<'static, str>>, value: Value) -> Sample {
    Sample { labels: vec![(label, of.into())], value }
}

fn whole(n: u64) -> Value {
    Value::Whole(i64::try_from(n).unwrap_or(i64::MAX))
}
