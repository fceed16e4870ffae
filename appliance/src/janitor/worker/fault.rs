//! A worker that goes wrong when told to, to see that its parent copes.
//!
//! Only in debug builds: `LARDER_JANITOR_FAULT=hang@scrub:3` hangs at the beginning of the third step of this
//! worker's scrubs. Also `exit`, `abort` and `eat-memory`; and instead of a step of a job at one of the other
//! [`Point`]s, or at a system call, as in `hang@call-unlink:2`. Must not know: what a step does.

use crate::janitor::job::Task;

/// Where something can go wrong, besides system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(debug_assertions), allow(dead_code, reason = "nothing goes wrong there"))]
pub(super) enum Point {
    /// At the beginning of a step.
    Step(Task),
    /// `hello`: before the greeting is answered.
    Hello,
    /// `greeted`: before the first order is read.
    Greeted,
    /// `cancel`: when a job is to stop.
    Cancel,
    /// `end`: when a job has told its last step, and not yet that it has ended.
    End,
}

impl From<Task> for Point {
    fn from(task: Task) -> Self {
        Self::Step(task)
    }
}

#[cfg(not(debug_assertions))]
#[derive(Clone, Debug)]
pub(super) struct Fault;

#[cfg(not(debug_assertions))]
impl Fault {
    pub(super) const fn told() -> Self {
        Self
    }

    pub(super) const fn none() -> Self {
        Self
    }

    pub(super) fn disk(&self) -> crate::cache::Disk {
        crate::cache::Disk::real()
    }

    pub(super) fn strike(&self, _: impl Into<Point>) {}
}

#[cfg(debug_assertions)]
pub(super) use told::Fault;

#[cfg(debug_assertions)]
mod told {
    use std::{io, path::Path, sync::Arc};

    use parking_lot::Mutex;

    use super::Point;
    use crate::{
        cache::{Call, Disk, Faults},
        janitor::FAULT_VARIABLE,
    };

    /// What goes wrong, and when. Clones are the same.
    #[derive(Clone, Debug, Default)]
    pub(in super::super) struct Fault {
        plan: Option<Arc<Plan>>,
    }

    #[derive(Debug)]
    struct Plan {
        kind: String,
        point: String,
        /// How often it is passed until it strikes.
        left: Mutex<u64>,
    }

    impl Fault {
        pub(in super::super) fn told() -> Self {
            let plan = std::env::var(FAULT_VARIABLE)
                .ok()
                .map(|text| Arc::new(parse(&text)));
            Self { plan }
        }

        pub(in super::super) fn none() -> Self {
            Self::default()
        }

        /// The disk, with the fault where it is to be at a system call.
        pub(in super::super) fn disk(&self) -> Disk {
            match &self.plan {
                Some(plan) => Disk::with_faults(plan.clone()),
                None => Disk::real(),
            }
        }

        pub(in super::super) fn strike(&self, point: impl Into<Point>) {
            let Some(plan) = &self.plan else { return };
            plan.pass(match point.into() {
                Point::Step(task) => task.name(),
                Point::Hello => "hello",
                Point::Greeted => "greeted",
                Point::Cancel => "cancel",
                Point::End => "end",
            });
        }
    }

    impl Faults for Plan {
        fn before(&self, call: Call, _: &Path) -> io::Result<()> {
            self.pass(&format!("call-{call:?}").to_lowercase());
            Ok(())
        }
    }

    impl Plan {
        fn pass(&self, point: &str) {
            if self.point != point {
                return;
            }
            let strikes = {
                let mut left = self.left.lock();
                *left = left.wrapping_sub(1);
                *left == 0
            };
            if strikes {
                self.go_wrong();
            }
        }

        fn go_wrong(&self) {
            eprintln!("told to {} at {}", self.kind, self.point);
            match self.kind.as_str() {
                "hang" => loop {
                    std::thread::park();
                },
                "exit" => {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a worker that goes wrong tidies nothing up"
                    )]
                    std::process::exit(3);
                }
                "abort" => std::process::abort(),
                "eat-memory" => {
                    let mut eaten = Vec::new();
                    loop {
                        eaten.push(vec![1_u8; 1 << 20]);
                        std::hint::black_box(&eaten);
                    }
                }
                other => panic!("{FAULT_VARIABLE}: there is no fault `{other}`"),
            }
        }
    }

    fn parse(text: &str) -> Plan {
        let parts = text.split_once('@').and_then(|(kind, rest)| {
            let (point, times) = rest.split_once(':')?;
            Some((kind, point, times.parse().ok()?))
        });
        let Some((kind, point, times)) = parts else {
            panic!("{FAULT_VARIABLE}: write KIND@POINT:TIME, as `hang@scrub:3`, not `{text}`");
        };
        Plan {
            kind: kind.into(),
            point: point.into(),
            left: Mutex::new(times),
        }
    }
}
