//! What the box says about itself: log lines on standard error.
//!
//! Text for a terminal, JSON for a machine. Lines go through a bounded queue to a thread of their own: a
//! slow or stopped reader of the log never makes a request wait. What does not fit is dropped and counted.
//! Must not know: what is logged.

mod access;
mod panics;

use std::io::{IsTerminal as _, Write};

use tracing::Dispatch;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _, reload,
};

pub use access::Access;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Lines that wait for the reader of the log. At some 300 bytes a line this is about a megabyte at most.
const QUEUE_LINES: usize = 4096;

/// What reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A terminal that shows colours.
    ColourTerminal,
    /// A terminal without, or with `NO_COLOR` set.
    PlainTerminal,
    /// A file, a pipe, a journal.
    Machine,
}

impl Reader {
    /// Who reads standard error. `no_colour` is the variable `NO_COLOR`.
    pub fn of_stderr(no_colour: Option<&str>) -> Self {
        match (std::io::stderr().is_terminal(), no_colour) {
            (false, _) => Self::Machine,
            (true, Some(value)) if !value.is_empty() => Self::PlainTerminal,
            (true, _) => Self::ColourTerminal,
        }
    }
}

/// Another subscriber was there first.
#[derive(Debug, thiserror::Error)]
#[error("set up the log")]
pub struct TelemetryError(#[source] tracing::dispatcher::SetGlobalDefaultError);

/// The running log. Dropping it writes what is queued.
#[derive(Debug)]
pub struct Telemetry {
    log: Log,
    _flush: WorkerGuard,
}

/// What can be asked of the running log.
#[derive(Clone, Debug)]
pub struct Log {
    dropped: ErrorCounter,
    level: reload::Handle<Targets, Registry>,
}

impl Log {
    /// Lines that were dropped since the start.
    pub fn dropped_lines(&self) -> u64 {
        self.dropped.dropped_lines() as u64
    }

    /// From now on that much is said.
    pub fn set_level(&self, level: &LogLevel) {
        // It fails when the log is gone: there is nothing to say any more then.
        let _ = self.level.reload(level.targets());
    }

    /// A log that nobody reads: of a mirror that is only tried.
    pub fn nowhere() -> Self {
        let config = LogConfig {
            format: LogFormat::Json,
            level: "off".parse().expect("a level"),
        };
        let (telemetry, _) = Telemetry::to(std::io::sink(), &config, Reader::Machine);
        telemetry.log()
    }
}

impl Telemetry {
    /// Sets up the log of this process, panics included. Once only.
    pub fn start(log: &LogConfig, reader: Reader) -> Result<Self, TelemetryError> {
        let (telemetry, dispatch) = Self::to(std::io::stderr(), log, reader);
        tracing::dispatcher::set_global_default(dispatch).map_err(TelemetryError)?;
        panics::log();
        Ok(telemetry)
    }

    pub fn log(&self) -> Log {
        self.log.clone()
    }

    fn to(writer: impl Write + Send + 'static, log: &LogConfig, reader: Reader) -> (Self, Dispatch) {
        let (queue, flush) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUE_LINES)
            .thread_name("log")
            .finish(writer);
        let dropped = queue.error_counter();
        let (dispatch, level) = dispatch(queue, log, reader);
        let telemetry = Self {
            log: Log { dropped, level },
            _flush: flush,
        };
        (telemetry, dispatch)
    }
}

fn dispatch(
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    log: &LogConfig,
    reader: Reader,
) -> (Dispatch, reload::Handle<Targets, Registry>) {
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => reader == Reader::Machine,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if json {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed()
    } else {
        lines.with_ansi(reader == Reader::ColourTerminal).boxed()
    };
    let (filter, level) = reload::Layer::new(log.level.targets());
    let dispatch = Dispatch::new(Registry::default().with(lines.with_filter(filter)));
    (dispatch, level)
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc, time::Duration};

    use parking_lot::{Condvar, Mutex};

    use super::*;
    use crate::metrics::Outcome;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(format: LogFormat, level: &str) -> LogConfig {
        LogConfig {
            format,
            level: level.parse().expect("a level"),
        }
    }

    fn written(log: &LogConfig, reader: Reader, say: impl FnOnce()) -> String {
        let page = Page::default();
        let (telemetry, dispatch) = Telemetry::to(page.clone(), log, reader);
        tracing::dispatcher::with_default(&dispatch, say);
        drop(telemetry);
        let bytes = page.0.lock().clone();
        String::from_utf8(bytes).expect("text")
    }

    fn access() -> Access<'static> {
        Access {
            method: "GET",
            path: "/v2/library/alpine/manifests/3.20\n",
            repository: Some("docker.io/library/alpine"),
            reason: None,
            status: 200,
            outcome: Some(Outcome::Hit),
            source: None,
            bytes: 528,
            ttfb: Duration::from_micros(1500),
            duration: Duration::from_millis(2),
            client: "192.0.2.7".parse().expect("an address"),
            user_agent: Some("containerd/1.6"),
        }
    }

    #[test]
    fn a_machine_gets_one_json_object_a_line() {
        let text = written(&log(LogFormat::Auto, "info"), Reader::Machine, || access().log());
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["target"], "access");
        assert_eq!((&line["status"], &line["ttfb_ms"]), (&200.into(), &1.5.into()));
        assert_eq!(
            (&line["cache"], &line["client"]),
            (&"hit".into(), &"192.0.2.7".into())
        );
        assert!(line.get("source").is_none());
    }

    #[test]
    fn a_terminal_gets_text_that_a_request_cannot_break() {
        let text = written(&log(LogFormat::Auto, "info"), Reader::PlainTerminal, || {
            access().log();
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("access:") && text.contains("status=200"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn parts_have_levels_of_their_own() {
        let text = written(&log(LogFormat::Text, "info,access=off"), Reader::Machine, || {
            access().log();
            tracing::info!("started");
            tracing::debug!("detail");
        });
        assert!(text.contains("started") && !text.contains("access") && !text.contains("detail"));
    }

    #[test]
    fn the_level_can_change() {
        let page = Page::default();
        let (telemetry, dispatch) =
            Telemetry::to(page.clone(), &log(LogFormat::Text, "warn"), Reader::Machine);
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!("before");
            telemetry.log().set_level(&"info".parse().expect("a level"));
            tracing::info!("after");
        });
        drop(telemetry);
        let text = String::from_utf8(page.0.lock().clone()).expect("text");
        assert!(text.contains("after") && !text.contains("before"), "{text}");
    }

    /// Holds the log's thread until it is let go.
    struct Stuck(Arc<(Mutex<bool>, Condvar)>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (open, opened) = &*self.0;
            opened.wait_while(&mut open.lock(), |open| !*open);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_costs_lines_and_not_time() {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let (telemetry, dispatch) = Telemetry::to(
            Stuck(gate.clone()),
            &log(LogFormat::Json, "info"),
            Reader::Machine,
        );
        tracing::dispatcher::with_default(&dispatch, || {
            for _ in 0..QUEUE_LINES + 100 {
                tracing::info!("line");
            }
        });
        assert!(
            (90..=100).contains(&telemetry.log().dropped_lines()),
            "{}",
            telemetry.log().dropped_lines()
        );
        *gate.0.lock() = true;
        gate.1.notify_all();
    }
}
