//! Encodes the metrics as the OpenMetrics text of `/metrics`, family by family, in the order of the catalogue.

use crate::catalogue::{self as cat, Family, Kind, Queue};
use crate::instrument::{Counter, Gauge, Histogram, TimeGauge};
use crate::limited::{LimitOf, Limited};
use crate::metrics::Metrics;
use crate::process::{Process, seconds_since_1970};
use crate::task_queues::{TaskQueues, TaskTypeFigures};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Error;
use std::sync::Arc;
use std::time::Duration;

/// The content type of `/metrics`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    /// The text of `/metrics`. It reads `/proc`, which takes about a millisecond.
    #[must_use]
    pub fn encode(self: &Arc<Self>, task_queues: TaskQueues) -> String {
        let mut registry = Registry::default();
        let scrape = Scrape { metrics: Arc::clone(self), process: Process::read(), task_queues };
        registry.register_collector(Box::new(scrape));
        let mut out = String::with_capacity(16 << 10);
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, &registry);
        out
    }
}

/// One scrape: the metrics, and the process as the kernel describes it now.
#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    process: Process,
    task_queues: TaskQueues,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut out = Out(encoder);
        self.http(&mut out)?;
        self.writes(&mut out)?;
        self.tasks(&mut out)?;
        self.entries(&mut out)?;
        self.disk(&mut out)?;
        self.checks(&mut out)?;
        self.node(&mut out)?;
        self.breakers(&mut out)?;
        self.schedules(&mut out)?;
        self.subscribers(&mut out)?;
        self.queues(&mut out)?;
        self.process(&mut out)
    }
}

impl Scrape {
    fn http(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let routes = self.metrics.routes();
        out.family(&cat::HTTP_REQUESTS, |mut metric| {
            for route in &routes {
                for (status, n) in route.read() {
                    let labels =
                        [("method", route.method), ("route", route.path), ("status", status.as_str())];
                    metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&n, None)?;
                }
            }
            Ok(())
        })?;
        out.family(&cat::HTTP_DURATION, |mut metric| {
            for route in routes.iter().filter(|route| route.duration.count() > 0) {
                let labels = [("method", route.method), ("route", route.path)];
                histogram(metric.encode_family(&labels)?, &route.duration)?;
            }
            Ok(())
        })?;
        let tls = &self.metrics.tls;
        out.optional(&cat::TLS_EXPIRES, tls.expires_in())?;
        out.counter(&cat::TLS_RELOADS_FAILED, &tls.reloads_failed)?;
        out.counter(&cat::TLS_HANDSHAKES_FAILED, &tls.handshakes_failed)?;
        out.counter(&cat::IDENTITIES_RELOADS_FAILED, &self.metrics.identities_reloads_failed)?;
        out.family(&cat::LIMITED, |mut metric| {
            for (limited, of) in Limited::ALL.into_iter().flat_map(|one| LimitOf::ALL.map(|of| (one, of))) {
                let labels = [("limit", limited.as_str()), ("of", of.as_str())];
                let n = self.metrics.limited.of(limited, of).get();
                metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&n, None)?;
            }
            Ok(())
        })
    }

    fn writes(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let m = &self.metrics;
        out.counter(&cat::EVENTS_APPENDED, &m.events_appended)?;
        out.counter(&cat::EVENTS_REPLAYED, &m.events_replayed)?;
        out.counter(&cat::COMMANDS_REFUSED, &m.commands_refused)
    }

    fn tasks(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let m = &self.metrics;
        out.counter(&cat::TASKS_ENQUEUED, &m.tasks.enqueued)?;
        out.counter(&cat::TASKS_REPLAYED, &m.tasks.replayed)?;
        out.counter(&cat::TASKS_CLAIMED, &m.tasks.claimed)?;
        out.counter(&cat::TASKS_COMPLETED, &m.tasks.completed)?;
        out.counter(&cat::TASKS_FAILED, &m.tasks.failed)?;
        out.counter(&cat::TASKS_DEAD, &m.tasks.dead)?;
        out.counter(&cat::TASKS_CLAIM_LOST, &m.tasks.claim_lost)?;
        out.family(&cat::TASK_WAIT, |metric| histogram(metric, &m.tasks.wait))?;
        out.family(&cat::TASK_RUN, |metric| histogram(metric, &m.tasks.run))?;
        let types = &self.task_queues.types;
        out.family(&cat::TASKS, |mut metric| {
            for (figures, (state, tasks)) in
                types.iter().flat_map(|figures| figures.by_state().map(|count| (figures, count)))
            {
                let labels = [("queue", &*figures.queue), ("type", &*figures.task_type), ("state", state)];
                metric.encode_family(&labels)?.encode_gauge(&(tasks as f64))?;
            }
            Ok(())
        })?;
        self.task_times(out, &cat::TASKS_OLDEST_READY, |figures| figures.oldest_ready)?;
        self.task_times(out, &cat::TASKS_UNCLAIMED, |figures| figures.unclaimed)?;
        self.task_times(out, &cat::TASKS_MISSED, |figures| figures.missed)?;
        out.family(&cat::WORKERS, |mut metric| {
            self.task_queues.workers.iter().try_for_each(|(queue, workers)| {
                metric.encode_family(&[("queue", &**queue)])?.encode_gauge(&(*workers as f64))
            })
        })
    }

    fn task_times(
        &self,
        out: &mut Out<'_>,
        family: &Family,
        time: fn(&TaskTypeFigures) -> Duration,
    ) -> Result<(), Error> {
        out.family(family, |mut metric| {
            self.task_queues.types.iter().try_for_each(|figures| {
                let labels = [("queue", &*figures.queue), ("type", &*figures.task_type)];
                metric.encode_family(&labels)?.encode_gauge(&time(figures).as_secs_f64())
            })
        })
    }

    fn entries(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let m = &self.metrics;
        for (family, figure) in [
            (&cat::ENTRY_COMMANDS, &m.entry_commands),
            (&cat::ENTRY_BYTES, &m.entry_bytes),
            (&cat::LOG_SYNC, &m.log_sync),
            (&cat::APPLY, &m.apply),
            (&cat::FLUSH, &m.flush),
        ] {
            out.family(family, |metric| histogram(metric, figure))?;
        }
        Ok(())
    }

    fn disk(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let m = &self.metrics;
        out.gauge(&cat::LOG_BYTES, &m.log_bytes)?;
        out.gauge(&cat::LOG_SEGMENTS, &m.log_segments)?;
        out.gauge(&cat::ARCHIVES, &m.archives)?;
        out.counter(&cat::LOG_WRITTEN, &m.log_written)?;
        out.gauge(&cat::STATE_BYTES, &m.state_bytes)?;
        out.gauge(&cat::STATE_MEMORY, &m.state_memory)?;
        out.gauge(&cat::STATE_CACHE, &m.state_cache)?;
        out.gauge(&cat::BODIES_BYTES, &m.bodies_bytes)?;
        out.gauge(&cat::BODIES_DEAD, &m.bodies_dead)?;
        out.gauge(&cat::DISK_FREE, &m.disk_free)?;
        out.gauge(&cat::DISK_SIZE, &m.disk_size)?;
        out.gauge(&cat::DISK_RESERVE, &m.disk_reserve)?;
        out.counter(&cat::COMPACTIONS_OUT_OF_SPACE, &m.compactions_out_of_space)
    }

    fn checks(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let checks = &self.metrics.checks;
        let last = checks.last();
        out.time(&cat::CHECK_EVERY, &checks.every)?;
        out.optional(&cat::CHECK_LAST, last.map(|last| last.at.as_secs_f64()))?;
        out.optional(&cat::CHECK_DURATION, last.map(|last| last.took.as_secs_f64()))?;
        out.gauge(&cat::CHECK_DAMAGED, checks.damaged())?;
        out.counter(&cat::CHECK_READ, &checks.read)
    }

    fn node(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let m = &self.metrics;
        out.gauge(&cat::READY, &m.ready)?;
        out.gauge(&cat::READ_ONLY, &m.read_only)?;
        out.gauge(&cat::DISK_STALLED, &m.disk_stalled)?;
        out.gauge(&cat::REPLAYED_ENTRIES, &m.replayed_entries)?;
        out.time(&cat::START, &m.start)?;
        out.time(&cat::WALL_AHEAD, &m.wall_ahead)?;
        out.time(&cat::LAST_VISIBLE, &m.last_visible)?;
        out.time(&cat::REACTION_LAG, &m.reaction_lag)
    }

    fn breakers(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let breakers = &self.metrics.breakers;
        out.gauge(&cat::BREAKERS, &breakers.all)?;
        out.gauge(&cat::BREAKERS_OPEN, &breakers.open)?;
        out.gauge(&cat::BREAKERS_HALF_OPEN, &breakers.half_open)?;
        out.gauge(&cat::BREAKERS_OPENED, &breakers.opened)
    }

    fn schedules(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let schedules = &self.metrics.schedules;
        out.gauge(&cat::SCHEDULES, &schedules.all)?;
        out.gauge(&cat::SCHEDULES_PAUSED, &schedules.paused)?;
        out.gauge(&cat::SCHEDULES_BROKEN, &schedules.broken)?;
        out.gauge(&cat::SCHEDULES_HELD, &schedules.held)
    }

    fn subscribers(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let (n, lag) = self.metrics.lag();
        out.optional(&cat::SUBSCRIBERS, Some(n as f64))?;
        out.optional(&cat::SUBSCRIBER_LAG, Some(lag.as_secs_f64()))?;
        let readers = self.metrics.readers();
        out.family(&cat::READER_LAG, |mut metric| {
            readers.iter().try_for_each(|(reader, lag)| {
                metric.encode_family(&[("reader", &*reader.name)])?.encode_gauge(&lag.as_secs_f64())
            })
        })?;
        out.family(&cat::READER_CONNECTIONS, |mut metric| {
            readers.iter().try_for_each(|(reader, _)| {
                metric.encode_family(&[("reader", &*reader.name)])?.encode_gauge(&(reader.connections as f64))
            })
        })?;
        out.counter(&cat::SUBSCRIBERS_OVERTAKEN, &self.metrics.subscribers.overtaken)
    }

    fn queues(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let figures = |queue| (self.metrics.queue(queue), [("queue", queue.name())]);
        out.family(&cat::QUEUE_DEPTH, |mut metric| {
            Queue::ALL.into_iter().map(figures).try_for_each(|(figures, labels)| {
                metric.encode_family(&labels)?.encode_gauge(&figures.depth.get())
            })
        })?;
        out.family(&cat::QUEUE_BOUND, |mut metric| {
            Queue::ALL.into_iter().map(figures).try_for_each(|(figures, labels)| {
                metric.encode_family(&labels)?.encode_gauge(&figures.bound.get())
            })
        })?;
        out.family(&cat::QUEUE_REJECTED, |mut metric| {
            Queue::ALL.into_iter().map(figures).try_for_each(|(figures, labels)| {
                let mut metric = metric.encode_family(&labels)?;
                metric.encode_counter::<NoLabelSet, _, u64>(&figures.rejected.get(), None)
            })
        })
    }

    fn process(&self, out: &mut Out<'_>) -> Result<(), Error> {
        let (process, build) = (&self.process, &self.metrics.build);
        out.family(&cat::PROCESS_CPU, |mut metric| match process.cpu_seconds {
            Some(seconds) => metric.encode_counter::<NoLabelSet, _, u64>(&seconds, None),
            None => Ok(()),
        })?;
        for (family, figure) in [
            (&cat::PROCESS_RESIDENT, process.resident_bytes),
            (&cat::PROCESS_PROPORTIONAL, process.proportional_bytes),
            (&cat::PROCESS_FDS, process.open_fds),
            (&cat::PROCESS_THREADS, process.threads),
        ] {
            out.optional(family, figure.map(|n| n as f64))?;
        }
        out.optional(&cat::PROCESS_START, Some(seconds_since_1970(self.metrics.started)))?;
        let labels = [("version", build.version), ("profile", build.profile), ("target", build.target)];
        out.family(&cat::BUILD, |mut metric| metric.encode_family(&labels)?.encode_gauge(&1_i64))
    }
}

/// Encodes one family after another.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn family(
        &mut self,
        family: &Family,
        samples: impl FnOnce(MetricEncoder<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let unit = match family.unit {
            cat::Unit::None => None,
            cat::Unit::Bytes => Some(Unit::Bytes),
            cat::Unit::Seconds => Some(Unit::Seconds),
        };
        let kind = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        samples(self.0.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?)
    }

    fn counter(&mut self, family: &Family, counter: &Counter) -> Result<(), Error> {
        self.family(family, |mut metric| metric.encode_counter::<NoLabelSet, _, u64>(&counter.get(), None))
    }

    fn gauge(&mut self, family: &Family, gauge: &Gauge) -> Result<(), Error> {
        self.family(family, |mut metric| metric.encode_gauge(&gauge.get()))
    }

    fn time(&mut self, family: &Family, time: &TimeGauge) -> Result<(), Error> {
        self.optional(family, Some(time.seconds()))
    }

    fn optional(&mut self, family: &Family, value: Option<f64>) -> Result<(), Error> {
        self.family(family, |mut metric| value.map_or(Ok(()), |value| metric.encode_gauge(&value)))
    }
}

fn histogram(mut metric: MetricEncoder<'_>, figure: &Histogram) -> Result<(), Error> {
    let read = figure.read();
    metric.encode_histogram::<NoLabelSet>(read.sum, read.count, &read.buckets, None)
}
